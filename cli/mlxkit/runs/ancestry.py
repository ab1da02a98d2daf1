"""Where a step's inputs come from: its ancestors within the run, as a small document that can travel as a tag.

The document is what a model version carries, so that its way back to the data can be told where the history of
the run is not: on another machine, by another person.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .records import StepRecord

LONGEST = 4_900  # characters: MLflow's tags took 5,000 before they took more
AFTER = "after"  # in a step's inputs: the steps that it waited for without getting anything from them
_DIGEST = 16


def input_digests(step: StepRecord) -> dict[str, str]:
    """Return the digest of every artifact that a step was given, by argument; items of a list are `rows[0]`."""
    return {path: str(item["digest"]) for path, item in artifacts_in(step.inputs)}


def inputs_document(step: StepRecord, *, longest: int = LONGEST) -> str:
    """Return the digest of every input as JSON; where that is too long digests are short, and the last inputs only counted."""
    whole = input_digests(step)
    text = json.dumps(whole)
    if len(text) <= longest:
        return text
    pairs = [(path, digest[:_DIGEST]) for path, digest in whole.items()]

    def first(kept: int) -> str:
        more = len(pairs) - kept
        left_out = {"...": f"{more} left out"} if more else {}  # no argument has that name
        return json.dumps({**dict(pairs[:kept]), **left_out})

    return _longest_that_fits(first, len(pairs), longest) or ""


def ancestry(steps: Sequence[StepRecord], name: str) -> list[StepRecord]:
    """Return a step and every step that it got something from, itself first, the farthest last."""
    return _ancestry({step.name: step for step in steps}, name)


def ancestors(step: StepRecord, by_name: Mapping[str, StepRecord], most: int) -> list[StepRecord]:
    """Return the nearest steps, at most so many, that a step got something from."""
    return _ancestry({step.name: step}, step.name, by_name, most + 1)[1:]


def _ancestry(
    first: Mapping[str, StepRecord],
    name: str,
    others: Mapping[str, StepRecord] | None = None,
    most: int | None = None,
) -> list[StepRecord]:
    found: dict[str, StepRecord] = {}
    waiting = [name]
    while waiting and (most is None or len(found) < most):
        name = waiting.pop(0)
        step = first.get(name) or (others or {}).get(name)
        if step is not None and step.name not in found:
            found[step.name] = step
            waiting += [str(item["step"]) for _, item in artifacts_in(step.inputs) if item.get("step")]
    return list(found.values())


def document(steps: Sequence[StepRecord], name: str, *, longest: int | None = LONGEST) -> str:
    """Return the ancestry of a step as compact JSON; when it is too long the farthest steps are left out, and that is said."""
    digits = (
        None if longest is None else _DIGEST
    )  # what has to be short need not be long enough for everything
    entries = [_entry(step, digits) for step in ancestry(steps, name)]

    def nearest(kept: int) -> str:
        cut = {"left_out": len(entries) - kept} if kept < len(entries) else {}
        return _compact({"steps": entries[:kept], **cut})

    def alone(kept: int) -> str:
        some = dict(list(entries[0]["inputs"].items())[:kept])
        cut = {"left_out": len(entries) - 1} if len(entries) > 1 else {}
        return _compact({"steps": [{**entries[0], "inputs": some}], **cut})

    if longest is None or not entries:
        return nearest(len(entries)) if entries else ""
    found = _longest_that_fits(nearest, len(entries), longest, least=1)
    if found is None and "inputs" in entries[0]:  # one step with more inputs than there is room for
        found = _longest_that_fits(alone, len(entries[0]["inputs"]), longest, least=1)
    return found or ""


def _longest_that_fits(
    text_of: Callable[[int], str], most: int, longest: int, *, least: int = 0
) -> str | None:
    """Return the text of as many items as there is room for, or None when there is not even for the least."""
    text = text_of(most)
    if len(text) <= longest:
        return text
    kept = bisect_right(range(least, most), longest, key=lambda count: len(text_of(count))) - 1 + least
    return text_of(kept) if kept >= least else None


def _compact(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))


def _entry(step: StepRecord, digits: int | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"step": step.name, "id": step.id, "run": step.run_id, "status": step.status}
    if step.cached_from:
        entry["cached_from"] = step.cached_from
    if step.parameters:
        entry["parameters"] = {key: _short(value) for key, value in step.parameters.items()}
    inputs = {
        path: {"from": str(item["from"]), "digest": str(item["digest"])[:digits]}
        for path, item in artifacts_in(step.inputs)
    }
    outputs = {output.name: output.digest[:digits] for output in step.outputs}
    return {**entry, **({"inputs": inputs} if inputs else {}), **({"outputs": outputs} if outputs else {})}


def artifacts_in(tree: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every artifact in the described inputs of a step, with the argument it arrives in."""
    if isinstance(tree, Mapping):
        if isinstance(tree.get("digest"), str) and "from" in tree:
            yield path, tree
            return
        for key, item in tree.items():
            yield from artifacts_in(item, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, (list, tuple)):
        for index, item in enumerate(tree):
            yield from artifacts_in(item, f"{path}[{index}]")


def _short(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
