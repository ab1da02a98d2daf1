"""run.yaml: parameters and options of a run in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ..config.yamltext import load_yaml
from ..dataclass import dataclass
from ..errors import ConfigError, NotFoundError, did_you_mean
from .models import Model, model_of
from .plan import StepOptions
from .settings import check_settings

_KEYS: dict[str, type | tuple[type, ...]] = {
    "parameters": dict,
    "run_name": str,
    "enable_cache": bool,
    "stack": str,
    "tracker": str,
    "settings": dict,
    "steps": dict,
    "model": dict,
}
_STEP_KEYS: dict[str, type | tuple[type, ...]] = {"parameters": dict, "enable_cache": bool, "settings": dict}
_OF_THE_RUN = {"stack": "--stack", "tracker": "--tracker"}
_LIMIT = 1_000_000

Translate = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class RunConfig:
    """What a run.yaml says; every field may be left out."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    run_name: str | None = None
    enable_cache: bool | None = None
    stack: str | None = None
    tracker: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, StepOptions] = field(default_factory=dict)
    model: Model | None = None
    text: str = field(default="", repr=False, compare=False)


def read_run_config(
    path: Path, *, for_pipeline: bool = False, translate: Translate | None = None
) -> RunConfig:
    """Read and check a run.yaml; raises ConfigError with the field path.

    The file of one pipeline (`for_pipeline`) cannot choose what is settled before any pipeline is called.
    """
    try:
        if not path.is_file():
            raise NotFoundError(f"no file {path}" if not path.exists() else f"{path} is not a file")
        if path.stat().st_size > _LIMIT:
            raise ConfigError(f"{path}: larger than 1 MB; a run.yaml holds parameters, not data")
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return parse_run_config(text, str(path), for_pipeline=for_pipeline, translate=translate)


def parse_run_config(
    text: str, path: str, *, for_pipeline: bool = False, translate: Translate | None = None
) -> RunConfig:
    """Check the text of a run.yaml; `path` is what errors call it."""
    data = load_yaml(text, what=path)
    data = {} if data is None else data
    if translate is not None and isinstance(data, dict):
        data = translate(data)
    _check(data, _KEYS, path, "")
    for key, option in _OF_THE_RUN.items():
        if for_pipeline and data.get(key) is not None:
            raise ConfigError(
                f"{path}: {key}: a pipeline's own file cannot choose the {key}, which the whole run shares",
                hint=f"mlx run FILE {option} {data[key]}, or put {key} into the file of mlx run FILE --config",
            )
    steps = {}
    for name, options in (data.get("steps") or {}).items():
        options = {} if options is None else options
        _check(options, _STEP_KEYS, path, f"steps.{name}.")
        check_settings(options.get("settings") or {}, f"{path}: steps.{name}")
        steps[name] = StepOptions(**options)
    check_settings(data.get("settings") or {}, path)
    return RunConfig(
        **{
            **data,
            "steps": steps,
            "model": model_of(data.get("model"), path),
            "parameters": data.get("parameters") or {},
            "settings": data.get("settings") or {},
            "text": text,
        }
    )


def _check(data: Any, keys: Mapping[str, Any], path: str, prefix: str) -> None:
    if not isinstance(data, Mapping):
        raise ConfigError(
            f"{path}: {prefix.rstrip('.') or 'the file'} must be a map, not {type(data).__name__}"
        )
    for key, value in data.items():
        if key not in keys:
            raise ConfigError(
                f"{path}: {prefix}{key}: unknown key{did_you_mean(str(key), keys)}; there are {', '.join(keys)}"
            )
        if value is not None and not isinstance(value, keys[key]):
            raise ConfigError(f"{path}: {prefix}{key} must be {_word(keys[key])}, not {type(value).__name__}")


def _word(kind: Any) -> str:
    return {dict: "a map", str: "text", bool: "true or false"}.get(kind, str(kind))
