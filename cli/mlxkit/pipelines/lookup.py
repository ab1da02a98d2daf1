"""Whether a step can be served from the cache, and why or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..artifacts.classes import reference
from ..dataclass import dataclass
from ..runs.records import TRACKER_LINK, TRACKER_NAME, StepRecord
from .fingerprint import cache_key, code_parts, explain
from .named import stale
from .presence import first_gone
from .sharing import find_shared, is_shared

if TYPE_CHECKING:
    from .services import RunServices, StepSpec


@dataclass(frozen=True)
class CacheAnswer:
    """Whether a step can be served from the cache, and why or why not."""

    key: str
    parts: Mapping[str, str]
    source: StepRecord | None
    reason: str


def ask_cache(spec: StepSpec, services: RunServices, *, trusts_store: bool = False) -> CacheAnswer:
    """Compute the cache key and look it up; with `trusts_store` the store is asked nothing: a worker does that."""
    materializers = _materializers(spec)
    parts = code_of(spec, services)
    parts.update(spec.arguments.digests())
    for name, materializer in materializers.items():
        parts[f"output {name}"] = (
            (reference(materializer) or materializer.__qualname__) if materializer else "auto"
        )
    if spec.cache_salt:
        parts["cache_salt"] = spec.cache_salt
    model = spec.model or services.run.model
    if model is not None:  # a step may load what belongs to it
        parts["model"] = f"{model.name} {model.version or ''}".strip()
    key = cache_key(parts)
    if not spec.use_cache:
        return CacheAnswer(key, parts, None, "the cache is off")
    answer = _ask_history(spec, services, key, parts, trusts_store)
    return answer if answer.source is not None or trusts_store else _ask_others(spec, services, answer)


def code_of(spec: StepSpec, services: RunServices, *, is_at_call: bool = False) -> dict[str, str]:
    """Return the parts of a step's cache key that are code, as things are now, or as they were at its call.

    At the call nobody knows the classes yet that come in the inputs; what they reach is added later.
    """
    carried = () if is_at_call else spec.arguments.code()
    if spec.code is not None and not carried:
        return dict(spec.code)
    known = [reference(item) for item in _materializers(spec).values() if item]
    uses = {*carried, *(name for name in known if name)}
    return {**code_parts(spec.function, services.root, tuple(sorted(uses))), **(spec.code or {})}


def _materializers(spec: StepSpec) -> dict[str, Any]:
    return {output.name: materializer_for(spec.materializers, output.name) for output in spec.outputs}


def _ask_history(
    spec: StepSpec, services: RunServices, key: str, parts: Mapping[str, str], trusts_store: bool
) -> CacheAnswer:
    source = services.history.find_cached(key)
    if source is None:
        before = services.history.last_parts(services.run.name, spec.name)
        changes = explain(before, parts) if before is not None else ["first run"]
        return CacheAnswer(key, parts, None, "; ".join(changes) or "it did not complete before")
    if spec.is_tracked and not source.metadata.get(TRACKER_LINK):
        return CacheAnswer(key, parts, None, "it was not tracked when it ran")
    # Also a step that asked for none may have logged: what comes after it works on the tracker of this run.
    on = source.metadata.get(TRACKER_NAME) if source.metadata.get(TRACKER_LINK) else None
    if spec.tracker is not None and on is not None and on != spec.tracker:
        return CacheAnswer(key, parts, None, f"it was tracked on {on!r} when it ran")
    gone = None if trusts_store else first_gone(services.store, source.outputs)
    if gone is not None:
        return CacheAnswer(key, parts, None, f"its output {gone.name!r} is gone from the artifact store")
    changed = stale(services.history, source.metadata)
    if changed is not None:
        return CacheAnswer(key, parts, None, f"artifact {changed!r}, which it loaded, is another one now")
    return CacheAnswer(key, parts, source, f"same as in run {source.run_id}")


def _ask_others(spec: StepSpec, services: RunServices, before: CacheAnswer) -> CacheAnswer:
    """Ask the cache that others share, where the store has one; `before` is what history said."""
    if not is_shared(services.store):
        return before
    found = find_shared(
        services.store, before.key, services.run, is_tracked=spec.is_tracked, tracker=spec.tracker
    )
    if found.source is None:
        return replace(before, reason=found.reason or before.reason)
    changed = stale(services.history, found.source.metadata)
    if changed is not None:
        return replace(
            before, reason=f"artifact {changed!r}, which it loaded, is not known here, or another one"
        )
    return replace(before, source=found.source, reason=found.reason)


def materializer_for(materializers: Any, output: str) -> Any:
    """Return the materializer class that a step asks for, by output name or for all of them."""
    if isinstance(materializers, Mapping):
        return materializers.get(output)
    return materializers
