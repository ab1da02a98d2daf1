"""`@step` and `@pipeline` with ZenML's options, each of which means something here, is said to mean nothing, or is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar

from ..errors import UsageError
from ..pipelines.declaring import check_options, placed
from ..pipelines.decorators import Pipeline, Step, name_of
from ..pipelines.parameters import annotations_of
from ..runs.members import Members
from .notes import note
from .settings import with_effect

_NO_EFFECT = {
    "enable_artifact_metadata": "facts about artifacts are always kept",
    "enable_artifact_visualization": "pictures of artifacts are made when they are looked at",
    "enable_step_logs": "the output of a step is always kept",
    "enable_pipeline_logs": "the output of a run is always kept",
    "enable_heartbeat": "a process that vanished is noticed without one",
    "heartbeat_healthy_threshold": "a process that vanished is noticed without one",
    "step_type": "a step is a step",
    "extra": "it is for ZenML's own records",
    "runtime": "steps run in the process that was started",
    "in_process": "steps run in the process that was started",
    "group": "it is for ZenML's dashboard",
    "dynamic": "a pipeline body is always run as it is written",
}
_REFUSED = {
    "step_operator": "steps run on this machine",
    "secrets": "no secret goes into the environment of a step by itself; Client().get_secret(NAME).secret_values",
    "environment": "set variables in the step, or where mlx is started",
    "cache_expiration": "what is cached stays so until it is pruned",
    "cache_policy": "enable_cache and cache_salt say what is cached",
    "substitutions": "name an output by a plain name",
    "schedule": "nothing here runs by the clock; let cron or CI call `mlx run`",
    "execution_mode": "a run goes on past a failed step with all that does not need it",
    "depends_on": "call the steps in order",
    "build": "no image is built",
    "on_start": "there are on_success and on_failure",
    "on_end": "there are on_success and on_failure",
    "on_init": "there are on_success and on_failure",
    "on_cleanup": "there are on_success and on_failure",
    "on_pause": "there are on_success and on_failure",
    "on_resume": "there are on_success and on_failure",
    "required_integrations": "install what the file imports into this Python",
    "requirements": "install what the file imports into this Python",
}
_CONFIG_NO_EFFECT = ("extra", "build", "name")


def translated(options: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return ZenML's options in the words of `mlx`; one that cannot be kept is refused unless it says nothing."""
    kept: dict[str, Any] = {}
    for key, value in options.items():
        if key in _NO_EFFECT:
            if value is not None:
                note(f"{owner}: {key} has no effect: {_NO_EFFECT[key]}")
        elif key in _REFUSED:
            if value not in (None, False, [], {}, ()):
                raise UsageError(f"{owner}: {key} is not supported by mlx: {_REFUSED[key]}")
        elif key in ("on_success", "on_failure"):
            kept[key] = loaded(value, key, owner)
        elif key == "output_materializers":
            kept[key] = (
                {name: loaded(item, key, owner) for name, item in value.items()}
                if isinstance(value, Mapping)
                else loaded(value, key, owner)
            )
        elif key == "settings":
            kept[key] = with_effect(value)
        elif key == "retry":
            kept["retries"] = value
        else:
            kept[key] = value
    return kept


class ZenStep(Step[Any, Any], Members):
    """A step of a ZenML file."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **self._with_classes(args, kwargs))

    def with_options(self, **options: Any) -> ZenStep:
        """Return a copy with other options; the names are those of ZenML's `@step`."""
        return super().with_options(**translated(options, f"step {self.name!r}"))  # type: ignore[return-value]

    configure = with_options

    def after(self, *_: Any) -> None:
        """Refuse: a call says what it comes after."""
        raise UsageError(
            f"step {self.name!r}: .after() is not supported by mlx", hint=f"{self.name}(..., after=[OTHER])"
        )

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Call the step; it runs at once, and what comes back can be loaded."""
        note("submit() runs a step at once: steps do not run side by side")
        return self(*args, **kwargs)

    def map(self, *_: Any, **__: Any) -> None:
        """Refuse: a loop does it."""
        raise UsageError(f"step {self.name!r}: .map() is not supported by mlx: call it in a loop")

    product = map

    def _with_classes(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Add parameters that are given as a class (`config: TrainConfig`) and that the call leaves to its defaults."""
        signature = inspect.signature(self.function)
        passed = {*list(signature.parameters)[: len(args)], *kwargs, *self.parameters}
        left = [
            name
            for name, item in signature.parameters.items()
            if name not in passed and item.default is item.empty
        ]
        if not left:
            return kwargs
        kinds = annotations_of(self.function)
        return {**kwargs, **{name: kinds[name]() for name in left if _is_parameters(kinds.get(name))}}


class ZenPipeline(Pipeline[Any, Any], Members):
    """A pipeline of a ZenML file."""

    instead: ClassVar[dict[str, str]] = {
        "build": "nothing has to be built: steps run in this Python",
        "deploy": "mlx model deploy",
        "schedule": "mlx run FILE, from cron or CI",
        "run": "call the pipeline itself",
    }

    def with_options(self, **options: Any) -> ZenPipeline:
        """Return a copy with other options: those of ZenML's `@pipeline`, `run_name` and `config_path`."""
        owner = f"pipeline {self.name!r}"
        named = {key: options.pop(key) for key in ("run_name", "config_path") if key in options}
        if options.get("steps"):
            raise UsageError(f"{owner}: steps is not supported in with_options", hint="config_path=FILE")
        options.pop("steps", None)
        return super().with_options(**named, **translated(options, owner))  # type: ignore[return-value]

    configure = with_options

    def read_config(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what a configuration file of ZenML says in the words of `mlx`."""
        owner = "the configuration file"
        said = dict(data)
        for key in _CONFIG_NO_EFFECT:
            if said.pop(key, None) is not None:
                note(f"{owner}: {key} has no effect")
        if said.pop("tags", None):
            note(f"{owner}: tags have no effect; @pipeline(tags=[...]) has")
        if isinstance(said.get("model"), Mapping):
            said["model"] = {key: value for key, value in said["model"].items() if value is not None}
        said = translated(said, owner)
        steps = said.get("steps")
        if isinstance(steps, Mapping):
            said["steps"] = {
                name: translated(options, f"{owner}: steps.{name}")
                if isinstance(options, Mapping)
                else options
                for name, options in steps.items()
            }
        return said

    def get_runs(self) -> list[Any]:
        """Return the last runs of this pipeline, the newest first."""
        from .client import Client

        return Client().get_pipeline(self.name).runs

    @property
    def last_run(self) -> Any:
        """The newest run of this pipeline."""
        return self.get_runs()[0]


def step(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a step; the options are those of ZenML's decorator."""
    return decorator(ZenStep, "step", function, options)


def pipeline(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a pipeline; the options are those of ZenML's decorator."""
    return decorator(ZenPipeline, "pipeline", function, options)


def loaded(value: Any, key: str, owner: str) -> Any:
    """Return what `package.module.name` stands for; ZenML takes such text in the place of a function or a class."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        return value
    module, dot, name = value.rpartition(".")
    if not dot:
        raise UsageError(f"{owner}: {key}={value!r}: it takes a function, or the text 'module.name'")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{owner}: {key}={value!r} cannot be found: {error}") from error


def decorator(make: Any, what: str, function: Any, options: Mapping[str, Any]) -> Any:
    """Return what a decorator makes of a function, or of the one that it is called with next."""

    def decorate(decorated: Any) -> Any:
        owner = f"{what} {name_of(decorated)!r}"

        def made() -> Any:
            known = translated(options, owner)
            check_options(make.__init__, known, owner, [*_NO_EFFECT, *_REFUSED, "retry"])
            return make(decorated, **known)

        return placed(made)

    return decorate if function is None else decorate(function)


def _is_parameters(kind: Any) -> bool:
    """Say whether a class is one of parameters, without importing what those are made of."""
    return isinstance(kind, type) and any(
        base.__module__ == "pydantic.main" and base.__name__ == "BaseModel" for base in kind.__mro__
    )
