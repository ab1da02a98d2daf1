"""What can be said about a step or a pipeline beside its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

from ..errors import ConfigError, NotFoundError, did_you_mean
from .resources import KEY as RESOURCES
from .resources import ResourceSettings


@dataclass(frozen=True)
class StepRetryConfig:
    """How often a failed step is tried again; `delay` is in seconds and is multiplied by `backoff` each time."""

    max_retries: int = 1
    delay: float = 0
    backoff: float = 1

    @staticmethod
    def of(value: int | Mapping[str, Any] | StepRetryConfig | None) -> StepRetryConfig:
        """Read `retries=3`, a mapping, or the class itself."""
        if isinstance(value, Mapping):
            known = [item.name for item in fields(StepRetryConfig)]
            for key in value:
                if key not in known:
                    raise ConfigError(f"retries: unknown key {key!r}{did_you_mean(str(key), known)}")
            value = StepRetryConfig(**value)
        elif value is None or isinstance(value, int):
            value = StepRetryConfig(max_retries=int(value or 0))
        if not isinstance(value, StepRetryConfig):
            raise ConfigError(
                f"retries is a number, a mapping or a StepRetryConfig, not {type(value).__name__}"
            )
        if value.max_retries < 0 or value.delay < 0 or value.backoff < 0:
            raise ConfigError(f"retries cannot be negative: {value}")
        return value


def tracker_settings(flavor: str, *levels: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the tracker's settings of several levels; a later level wins key by key.

    Accepts ZenML's keys `experiment_tracker` and `experiment_tracker.<flavor>`, each a mapping or a dataclass.
    """
    merged: dict[str, Any] = {}
    for level in levels:
        for key in ("experiment_tracker", f"experiment_tracker.{flavor}"):
            if key in level:
                merged.update(as_mapping(level[key]))
    return merged


def check_settings(settings: Mapping[str, Any], owner: str) -> None:
    """Refuse a settings key that no component would read."""
    for key in settings:
        kind, dot, flavor = key.partition(".")
        if key == RESOURCES:
            ResourceSettings.of(settings[key], owner)
            continue
        if kind != "experiment_tracker":
            raise ConfigError(
                f"{owner}: unknown settings key {key!r}{did_you_mean(key, ['experiment_tracker', 'experiment_tracker.mlflow', RESOURCES])}"
            )
        if dot and not is_tracker_flavor(flavor):
            raise ConfigError(
                f"{owner}: settings {key!r}: there is no experiment tracker of flavor {flavor!r}",
                hint="mlx flavor list tracker",
            )


def is_tracker_flavor(name: str) -> bool:
    """Say whether there is an experiment tracker of that flavor."""
    from ..stacks.flavors import get_flavor

    try:
        get_flavor("experiment_tracker", name)
    except NotFoundError:
        return False
    return True


def as_mapping(value: Any) -> dict[str, Any]:
    """Return settings as plain data, without the fields that were not set."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: item for key, item in asdict(value).items() if item is not None}
    if isinstance(value, Mapping):
        return dict(value)
    raise ConfigError(f"settings must be a mapping or a settings object, not {type(value).__name__}")
