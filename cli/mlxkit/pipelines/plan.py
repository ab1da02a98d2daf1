"""What applies to every step of a run: trackers, cache, settings, run.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..dataclass import dataclass
from ..errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from .decorators import Step
    from .settings import StepRetryConfig


class StepPlan:
    """What applies to every step of a run: trackers, cache, settings, run.yaml."""

    def __init__(
        self,
        *,
        stack_tracker: str | None,
        forced_tracker: str | None,
        flavor_of: Callable[[str], str],
        use_cache: bool,
        enable_cache: bool | None,
        settings: Mapping[str, Any],
        steps: Mapping[str, StepOptions],
        stack: str,
        defaults: StepDefaults | None = None,
    ) -> None:
        self._stack_tracker = stack_tracker
        self._forced_tracker = forced_tracker
        self._flavor_of = flavor_of
        self._use_cache = use_cache
        self._enable_cache = enable_cache
        self._steps = steps
        self._stack = stack
        self._seen: dict[str, None] = {}
        self.settings = settings
        self.defaults = defaults or StepDefaults()

    def options_for(self, name: str, step_name: str) -> StepOptions:
        """Return what run.yaml says of a step, by its name in the run or its own."""
        self.saw(name, step_name)
        return self._steps.get(name) or self._steps.get(step_name) or NO_OPTIONS

    def saw(self, *names: str) -> None:
        """Remember the names of a step that was called, for `unused_steps`; one that is skipped was called too."""
        self._seen.update(dict.fromkeys(names))

    def unused_steps(self) -> list[str]:
        """Return the names under `steps` that no step called so far has."""
        return [name for name in self._steps if name not in self._seen]

    def describe_unused(self) -> list[str]:
        """Return a sentence for every name of `unused_steps`, with the step that may have been meant."""
        return [
            f"steps.{name}: no step of this run is called so{did_you_mean(name, self._seen)}"
            for name in self.unused_steps()
        ]

    def is_tracked(self, step: Step[Any, Any]) -> bool:
        """Say whether a step asked for a tracker, or `--tracker` asked for all of them."""
        return self._forced_tracker is not None or bool(step.experiment_tracker)

    def tracker_for(self, step: Step[Any, Any]) -> tuple[str | None, str]:
        """Return the name and flavor of the tracker of a step; the stack's stands ready for steps that ask for none."""
        name = self._forced_tracker
        if name is None and isinstance(step.experiment_tracker, str):
            name = step.experiment_tracker
        if name is None and step.experiment_tracker is not False:
            name = self._stack_tracker
        if name is None:
            if step.experiment_tracker is True:
                raise ConfigError(
                    f"step {step.name!r} asks for the stack's experiment tracker, and stack {self._stack!r} has none",
                    hint=f"mlx stack update {self._stack} -e TRACKER",
                )
            return None, ""
        return name, self._flavor_of(name)

    def uses_cache(self, step: Step[Any, Any], configured: bool | None) -> bool:
        """Say whether a step may be served from the cache: --no-cache, then run.yaml, step, pipeline, yes."""
        if not self._use_cache:
            return False
        for setting in (configured, step.enable_cache, self._enable_cache):
            if setting is not None:
                return setting
        return True


@dataclass(frozen=True)
class StepDefaults:
    """What a pipeline gives to those of its steps that say nothing themselves."""

    retries: StepRetryConfig | None = None
    on_success: Callable[..., Any] | None = None
    on_failure: Callable[..., Any] | None = None


class StepOptions:
    """What run.yaml says of one step."""

    def __init__(
        self,
        parameters: Mapping[str, Any] | None = None,
        enable_cache: bool | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.parameters = dict(parameters or {})
        self.enable_cache = enable_cache
        self.settings = dict(settings or {})


NO_OPTIONS = StepOptions()
