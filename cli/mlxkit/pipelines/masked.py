"""What a record keeps of the words that a run was given: none of a secret that this process knows by then.

A value can become a secret after it was given: when the file that is run, or a step, asks for it. So records are masked
when they are written, and again when the run ends. What is hashed for the cache, or given to steps, is never masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..runs.records import OutputRecord, RunRecord, StepRecord
from ..secrets.masking import MASK, Masker, known_values, mask_text

INVOCATION = "invocation"
IS_MASKED = "is_masked"
HOLDS_SECRET = "holds_secret"  # noqa: S105  metadata of a step whose small outputs, never masked, have a secret in them


def masked(value: Any) -> Any:
    """Return a value with the secrets in its texts masked, at any depth; a number that is one becomes the mask."""
    known = known_values()
    return _masked(value, Masker(known)) if known else value


def _masked(value: Any, masker: Masker) -> Any:
    if isinstance(value, str):
        return masker.mask(value)
    if isinstance(value, Mapping):
        return {_masked(key, masker): _masked(item, masker) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item, masker) for item in value]
    if isinstance(value, bytes):
        return masker.mask(repr(value)) if masker.mask(repr(value)) != repr(value) else value
    if isinstance(value, (int, float)) and masker.mask(str(value)) == MASK:
        return MASK
    return value


def masked_words(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run was told without secrets; `is_masked` says that it cannot be told so again."""
    before = {key: item for key, item in told.items() if key != IS_MASKED}
    after = masked(before)
    return {**after, IS_MASKED: bool(told.get(IS_MASKED)) or after != before}


def masked_run(run: RunRecord) -> RunRecord:
    """Return a record with the run's name, parameters, tags and words masked."""
    if not known_values():
        return run
    metadata = dict(run.metadata)
    if isinstance(metadata.get(INVOCATION), Mapping):
        metadata[INVOCATION] = masked_words(metadata[INVOCATION])
    return replace(
        run,
        name=masked(run.name),
        parameters=masked(run.parameters),
        tags=tuple(dict.fromkeys(masked(run.tags))),
        metadata=metadata,
    )


def masked_step(step: StepRecord) -> StepRecord:
    """Return a record with the step's parameters masked."""
    return replace(step, parameters=masked(step.parameters)) if known_values() else step


def holds_secret(outputs: Sequence[OutputRecord]) -> bool:
    """Say whether an output that is kept in the record itself holds a secret that this process knows."""
    texts = (
        (item.inline.decode("utf-8", "replace") for item in outputs if item.inline) if known_values() else ()
    )
    return any(mask_text(text) != text for text in texts)
