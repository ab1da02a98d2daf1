"""Inputs of a step: parameters, and references to artifacts anywhere inside lists, tuples and dicts."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..artifacts.io import digest_of
from ..artifacts.io import load as load_artifact
from ..artifacts.io import save as save_artifact
from ..artifacts.store import ArtifactStore
from ..dataclass import dataclass
from ..errors import MlxError, UsageError
from ..runs.records import OutputRecord, artifact_of, output_of
from ..runs.views import ArtifactView
from .context import current_pipeline
from .handles import Handle

_PLAIN = (str, int, float, bool, bytes, type(None))


@dataclass(frozen=True)
class Ref:
    """An artifact that a step is given: the step and output it comes from, or no step for a value of the body.

    `origin` says of an artifact that the body looked up where it was made: `RUN:step::output`.
    """

    step: str
    output: OutputRecord
    origin: str = ""

    @property
    def source(self) -> str:
        """Where the artifact came from, for people."""
        return f"{self.step}.{self.output.name}" if self.step else self.origin or "the pipeline body"


class Unsettled(Protocol):
    """A step of the running pipeline that may not have ended yet."""

    name: str

    @property
    def is_settled(self) -> bool:
        """Whether it has ended."""

    def record(self, output: str) -> OutputRecord:
        """Return an output of it once it ended; raises StepFailedError when there is none."""


@dataclass(frozen=True)
class Awaited:
    """The output of a step that has not ended yet: it becomes a `Ref` before anybody reads it."""

    source: Unsettled
    output: str


@dataclass(frozen=True)
class Arguments:
    """What one step call is given: plain parameters by value, everything else by reference."""

    parameters: Mapping[str, Any]
    inputs: Mapping[str, Any]

    def digests(self) -> dict[str, str]:
        """Return the parts of the cache key that the arguments make."""
        found = {f"parameter {name}": digest_of(value) for name, value in self.parameters.items()}
        found.update({f"input {name}": _digest(tree) for name, tree in self.inputs.items()})
        return found

    def kept(self) -> Arguments:
        """Return the same with parameters of its own: the body may change a list after the call."""
        return Arguments({name: _own(value) for name, value in self.parameters.items()}, self.inputs)

    def settled(self) -> Arguments:
        """Return the same once every step that they come from has ended."""
        return Arguments(self.parameters, {name: _settled(tree) for name, tree in self.inputs.items()})

    def code(self) -> tuple[str, ...]:
        """Return the names of the user's classes and functions that arrive inside the inputs."""
        return tuple(sorted({name for tree in self.inputs.values() for name in _code(tree)}))

    def load(self, store: ArtifactStore, declared: Mapping[str, Any]) -> dict[str, Any]:
        """Return fresh values for every argument; `declared` are the annotations that help to find their classes."""
        values = {name: _own(value) for name, value in self.parameters.items()}
        values.update({name: _load(tree, store, declared.get(name)) for name, tree in self.inputs.items()})
        return values

    def described(self) -> dict[str, Any]:
        """Return inputs as data: for each argument its source, digest and summary."""
        return {name: _describe(tree) for name, tree in self.inputs.items()}


def _own(value: Any) -> Any:
    """Return a value that nobody else can change."""
    if isinstance(value, _PLAIN):
        return value
    import copy

    return copy.deepcopy(value)


def load_output(output: OutputRecord, store: ArtifactStore, declared: Any = None) -> Any:
    """Return a fresh copy of what an output holds."""
    return load_artifact(artifact_of(output), store, declared=declared)


def bind_call(
    name: str,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    store: ArtifactStore,
    *,
    is_dry: bool = False,
) -> Arguments:
    """Sort the arguments of a step call into parameters and inputs; raises UsageError when they do not fit.

    What lies in the store of another stack is brought to `store`, where the step takes it from, unless `is_dry`.
    """
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise UsageError(f"step {name!r}: {error}") from None
    bound.apply_defaults()
    parameters: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise UsageError(
                f"step {name!r} takes *{parameter.name}; a step's arguments have names", hint="pass a list"
            )
        if parameter.kind is parameter.VAR_KEYWORD:
            values: Mapping[str, Any] = bound.arguments.get(parameter.name, {})
        else:
            values = {parameter.name: bound.arguments[parameter.name]}
        for key, value in values.items():
            if _is_plain(value):
                parameters[key] = value
            else:
                inputs[key] = _tree(value, store, f"step {name!r}, argument {key!r}")
                for view in () if is_dry else _looked_up_in(value):
                    view.bring_to(store)
    return Arguments(parameters, inputs)


def handles_in(value: Any) -> list[Handle]:
    """Return every handle inside an argument."""
    if isinstance(value, Handle):
        return [value]
    if type(value) in (list, tuple, set, frozenset):
        return [handle for item in value for handle in handles_in(item)]
    if type(value) is dict:
        return [handle for item in value.values() for handle in handles_in(item)]
    return []


def _is_plain(value: Any) -> bool:
    """Say whether a value is a parameter: text, numbers, and small containers of them."""
    if type(value) in _PLAIN:
        return True
    if type(value) in (list, tuple):
        return len(value) <= 1000 and all(_is_plain(item) for item in value)
    if type(value) is dict:
        return len(value) <= 1000 and all(type(key) is str and _is_plain(item) for key, item in value.items())
    return False


def _tree(value: Any, store: ArtifactStore, name: str) -> Any:
    if isinstance(value, Handle):
        source = value._mlx_source
        if not source.is_settled:
            return Awaited(source, value._mlx_output)
        return Ref(source.name, source.record(value._mlx_output))
    if isinstance(value, ArtifactView):
        return _looked_up(value)
    if type(value) in (list, tuple) and _holds_artifacts(value):
        return type(value)(_tree(item, store, name) for item in value)
    if type(value) is dict and _holds_artifacts(value):
        return {key: _tree(item, store, name) for key, item in value.items()}
    if type(value) in (set, frozenset) and _holds_artifacts(value):
        raise UsageError(f"{name}: a set cannot hold the output of a step; pass a list")
    try:
        return Ref("", output_of("value", save_artifact(value, store=store)))
    except MlxError as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from error


def _looked_up(view: ArtifactView) -> Ref:
    """Refer to an artifact that was found by its name; one that this run made has its step here."""
    record = view.record
    if view.origin is None:
        return Ref("", record)
    running = current_pipeline.get()
    if running is not None and running.run_id == view.origin.run:
        return Ref(view.origin.step, record)
    return Ref("", record, f"{view.origin.run}:{view.origin.step}::{view.name}")


def _looked_up_in(value: Any) -> list[ArtifactView]:
    """Return every artifact that was looked up and is inside an argument."""
    if isinstance(value, ArtifactView):
        return [value]
    if type(value) in (list, tuple):
        return [view for item in value for view in _looked_up_in(item)]
    if type(value) is dict:
        return [view for item in value.values() for view in _looked_up_in(item)]
    return []


def _holds_artifacts(value: Any) -> bool:
    """Say whether an output of a step, or an artifact that was looked up, is anywhere inside an argument."""
    if isinstance(value, (Handle, ArtifactView)):
        return True
    if type(value) in (list, tuple, set, frozenset):
        return any(_holds_artifacts(item) for item in value)
    return type(value) is dict and any(_holds_artifacts(item) for item in value.values())


def _settled(tree: Any) -> Any:
    if isinstance(tree, Awaited):
        return Ref(tree.source.name, tree.source.record(tree.output))
    if isinstance(tree, Ref):
        return tree
    if isinstance(tree, dict):
        return {key: _settled(item) for key, item in tree.items()}
    return type(tree)(_settled(item) for item in tree)


def _digest(tree: Any) -> str:
    if isinstance(tree, Ref):
        return tree.output.digest
    if isinstance(tree, dict):
        text = "dict:" + ",".join(f"{digest_of(key)}={_digest(item)}" for key, item in tree.items())
    else:
        text = f"{type(tree).__name__}:" + ",".join(_digest(item) for item in tree)
    return hashlib.sha256(text.encode()).hexdigest()


def _code(tree: Any) -> set[str]:
    if isinstance(tree, Ref):
        return set(tree.output.summary.get("code", ()))
    return {name for item in (tree.values() if isinstance(tree, dict) else tree) for name in _code(item)}


def _load(tree: Any, store: ArtifactStore, declared: Any = None) -> Any:
    if isinstance(tree, Ref):
        return load_output(tree.output, store, declared)
    if isinstance(tree, dict):
        return {key: _load(item, store) for key, item in tree.items()}
    return type(tree)(_load(item, store) for item in tree)


def _describe(tree: Any) -> Any:
    if isinstance(tree, Ref):
        return {
            "from": tree.source,
            "step": tree.step,
            "digest": tree.output.digest,
            "type": tree.output.type,
            "summary": dict(tree.output.summary),
        }
    if isinstance(tree, dict):
        return {key: _describe(item) for key, item in tree.items()}
    return [_describe(item) for item in tree]
