"""`@step` and `@pipeline`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ..errors import ConfigError
from .declaring import DeclarationError, check_hook, check_materializers, declared
from .models import Model, model_of
from .outputs import Output, names_if_known, outputs_of
from .resources import ResourceSettings
from .settings import StepRetryConfig, check_settings

P = ParamSpec("P")
R = TypeVar("R")
Hook = Callable[..., Any]

PIPELINES: list[Pipeline[Any, Any]] = []
STEPS: list[Step[Any, Any]] = []


class Step(Generic[P, R]):
    """A function that a pipeline runs, records and caches; called outside a pipeline it is just the function."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        experiment_tracker: str | bool | None = None,
        enable_cache: bool | None = None,
        settings: Mapping[str, Any] | None = None,
        retries: int | Mapping[str, Any] | StepRetryConfig | None = None,
        on_success: Hook | None = None,
        on_failure: Hook | None = None,
        output_materializers: Any = None,
        cache_salt: str = "",
        model: Model | str | None = None,
        parameters: Mapping[str, Any] | None = None,
        resources: ResourceSettings | Mapping[str, Any] | None = None,
    ) -> None:
        self.function: Callable[P, R] = _runnable(function, "@step")
        self.name = _checked_name(name or name_of(function), "step")
        self.experiment_tracker = experiment_tracker
        self.enable_cache = enable_cache
        self.settings = dict(settings or {})
        self.retries = None if retries is None else StepRetryConfig.of(retries)
        self.on_success = check_hook(on_success, "on_success", f"step {self.name!r}")
        self.on_failure = check_hook(on_failure, "on_failure", f"step {self.name!r}")
        check_materializers(output_materializers, names_if_known(function), f"step {self.name!r}")
        self.output_materializers = output_materializers
        self.cache_salt = cache_salt
        self.model = model_of(model, f"step {self.name!r}")
        self.parameters = dict(parameters or {})
        self.resources = None if resources is None else ResourceSettings.of(resources, f"step {self.name!r}")
        check_settings(self.settings, f"step {self.name!r}")
        update_wrapper(self, function)
        STEPS.append(self)

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs that the function declares."""
        found = outputs_of(self.function)
        check_materializers(self.output_materializers, [item.name for item in found], f"step {self.name!r}")
        return found

    @cached_property
    def function_parameters(self) -> frozenset[str]:
        """The names of the function's parameters."""
        return frozenset(inspect.signature(self.function).parameters)

    @property
    def entrypoint(self) -> Callable[P, R]:
        """The decorated function itself."""
        return self.function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from .body import running_body

        body = running_body()
        if body is None:
            return self.function(*args, **kwargs)
        return body.call_step(self, args, kwargs)

    def retries_or(self, default: StepRetryConfig | None) -> StepRetryConfig:
        """Return how often it is tried again, by its own word, else that of its pipeline."""
        return self.retries or default or StepRetryConfig(max_retries=0)

    def with_parameters(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the named arguments of a call, with the parameters of `with_options` for what it leaves out."""
        if not self.parameters:
            return dict(kwargs)
        names = list(inspect.signature(self.function).parameters)
        _refuse_unknown(self.parameters, dict.fromkeys(names), f"step {self.name!r}: parameters")
        left = {key: value for key, value in self.parameters.items() if key not in names[: len(args)]}
        return {**left, **kwargs}

    def with_options(self, **options: Any) -> Step[P, R]:
        """Return a copy with other options; the names are those of `@step`."""
        current: dict[str, Any] = {
            "name": self.name,
            "experiment_tracker": self.experiment_tracker,
            "enable_cache": self.enable_cache,
            "settings": self.settings,
            "retries": self.retries,
            "on_success": self.on_success,
            "on_failure": self.on_failure,
            "output_materializers": self.output_materializers,
            "cache_salt": self.cache_salt,
            "model": self.model,
            "parameters": self.parameters,
            "resources": self.resources,
        }
        _refuse_unknown(options, current, "with_options")
        return type(self)(self.function, **{**current, **options})

    def __repr__(self) -> str:
        return f"<step {self.name}>"


class Pipeline(Generic[P, R]):
    """A function whose body calls steps; calling it runs them and returns the run."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        enable_cache: bool | None = None,
        settings: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        model: Model | str | None = None,
        tags: Sequence[str] | None = None,
        retries: int | Mapping[str, Any] | StepRetryConfig | None = None,
        on_success: Hook | None = None,
        on_failure: Hook | None = None,
    ) -> None:
        self.function: Callable[P, R] = _runnable(function, "@pipeline")
        self.name = _checked_name(name or name_of(function), "pipeline")
        self.enable_cache = enable_cache
        self.settings = dict(settings or {})
        self.parameters = dict(parameters or {})
        self.model = model_of(model, f"pipeline {self.name!r}")
        self.tags = tuple(str(tag) for tag in tags or ())
        self.retries = None if retries is None else StepRetryConfig.of(retries)
        self.on_success = check_hook(on_success, "on_success", f"pipeline {self.name!r}")
        self.on_failure = check_hook(on_failure, "on_failure", f"pipeline {self.name!r}")
        self.run_name: str | None = None
        self.config_path: str | None = None
        check_settings(self.settings, f"pipeline {self.name!r}")
        update_wrapper(self, function)
        PIPELINES.append(self)

    @property
    def entrypoint(self) -> Callable[P, R]:
        """The decorated function itself."""
        return self.function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from .runner import run_pipeline

        return run_pipeline(self, args, kwargs)

    def with_options(
        self, *, run_name: str | None = None, config_path: str | None = None, **options: Any
    ) -> Pipeline[P, R]:
        """Return a copy with other options: those of `@pipeline`, `run_name`, and `config_path` (a run.yaml)."""
        current: dict[str, Any] = {
            "name": self.name,
            "enable_cache": self.enable_cache,
            "settings": self.settings,
            "parameters": self.parameters,
            "model": self.model,
            "tags": self.tags,
            "retries": self.retries,
            "on_success": self.on_success,
            "on_failure": self.on_failure,
        }
        _refuse_unknown(options, current, "with_options")
        copy = type(self)(self.function, **{**current, **options})
        PIPELINES.remove(copy)  # a variant of one that is known already
        copy.run_name = run_name if run_name is not None else self.run_name
        copy.config_path = config_path if config_path is not None else self.config_path
        return copy

    def read_config(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what its own run.yaml says in the words of `mlx`; those of another SDK override this."""
        return data

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


def _runnable(function: Any, decorator: str) -> Any:
    """Return what was decorated if calling it does the work; a coroutine or generator would only be made."""
    if not callable(function):
        raise DeclarationError(f"{decorator} decorates a function, not {type(function).__name__}")
    inner = inspect.unwrap(function)
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        raise DeclarationError(
            f"{decorator}: {name_of(function)} is async; call asyncio.run(...) inside an ordinary function"
        )
    if decorator == "@pipeline" and inspect.isgeneratorfunction(inner):
        raise DeclarationError(
            f"{decorator}: {name_of(function)} is a generator; a pipeline calls its steps, it does not yield"
        )
    return function


def name_of(function: Any) -> str:
    """Return the name of a function, or of what a partial or a callable object stands for."""
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _checked_name(name: str, what: str) -> str:
    """Refuse a name that could not be shown on a line or name a log file."""
    if not name or len(name) > 120 or not name.isprintable() or any(sign in name for sign in "/\\:"):
        raise ConfigError(
            f"{what} {name[:40]!r}: a name has up to 120 characters, and no slash, colon or line break"
        )
    return name


def _refuse_unknown(options: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    from ..errors import did_you_mean

    for key in options:
        if key not in known:
            raise ConfigError(f"{where}: unknown option {key!r}{did_you_mean(key, known)}")


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | None = None,
    experiment_tracker: str | bool | None = None,
    enable_cache: bool | None = None,
    settings: Mapping[str, Any] | None = None,
    retries: int | Mapping[str, Any] | StepRetryConfig | None = None,
    on_success: Hook | None = None,
    on_failure: Hook | None = None,
    output_materializers: Any = None,
    cache_salt: str = "",
    model: Model | str | None = None,
    parameters: Mapping[str, Any] | None = None,
    resources: ResourceSettings | Mapping[str, Any] | None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a step.

    `experiment_tracker` is a tracker's name, or True for the active stack's. `retries` counts further attempts.
    `on_success()` and `on_failure(exception)` are called after the last attempt, once outputs are stored.
    `cache_salt` is any text that takes part in the cache key. `model` says what the step is about. `resources` is what
    it asks for where steps run on workers: ResourceSettings(cpu_count=2, gpu_count=1, memory="4GB").
    """
    if function is not None:
        return declared(Step, function, options, "@step")
    return lambda decorated: declared(Step, decorated, options, f"step {name_of(decorated)!r}")


@overload
def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]: ...
@overload
def pipeline(
    *,
    name: str | None = None,
    enable_cache: bool | None = None,
    settings: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    model: Model | str | None = None,
    tags: Sequence[str] | None = None,
    retries: int | Mapping[str, Any] | StepRetryConfig | None = None,
    on_success: Hook | None = None,
    on_failure: Hook | None = None,
) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...
def pipeline(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a pipeline: its body is ordinary Python that runs, and the steps it calls are recorded.

    `retries`, `on_success` and `on_failure` are those of every step that has none of its own.
    """
    if function is not None:
        return declared(Pipeline, function, options, "@pipeline")
    return lambda decorated: declared(Pipeline, decorated, options, f"pipeline {name_of(decorated)!r}")
