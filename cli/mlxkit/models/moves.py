"""Moves of stages and aliases: each is a tag on the version that it concerns, written before the move."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timezone
from typing import Any, Literal

from ..dataclass import dataclass
from ..errors import UsageError
from ..pipelines.whereabouts import who
from ..records import Record, plain
from ..stacks.registries import ModelVersion, RegisteredModel
from .tags import MOVE

Kind = Literal["promote", "rollback", "unset"]
OUTSIDE = "another tool"
_LONGEST = 2000  # characters of a reason


@dataclass(frozen=True)
class Move(Record):
    """An alias moved: away from version `previous`, to `version` (None: it was taken away); `from` and `to` in JSON."""

    at: str | None
    by: str
    alias: str
    previous: int | None
    version: int | None
    why: str = ""
    kind: Kind = "promote"
    evidence: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    is_recorded: bool = True

    def to_dict(self) -> dict[str, Any]:
        data = super().to_dict()
        names = {"previous": "from", "version": "to"}
        return {names.get(key, key): value for key, value in data.items()}


def check_why(why: str) -> None:
    """Raise UsageError for a reason that no history can show."""
    if len(why) > _LONGEST:
        raise UsageError(
            f"the reason has {len(why)} characters, and {_LONGEST} is the most", hint="--why TEXT"
        )


def new_move(
    alias: str,
    previous: int | None,
    version: int | None,
    *,
    kind: Kind,
    why: str = "",
    evidence: Sequence[Record] = (),
) -> Move:
    """Return a move that is made now, by this user on this machine."""
    now = datetime.now(timezone.utc).isoformat(timespec="microseconds")
    rows = tuple({k: v for k, v in plain(row).items() if k != "schema_version"} for row in evidence)
    return Move(now, who(), alias, previous, version, why, kind, rows)


def tag_of(move: Move) -> tuple[str, str]:
    """Return the tag that records a move: its key sorts by time and is unique, its value is JSON."""
    data = {
        key: value
        for key, value in move.to_dict().items()
        if key not in ("schema_version", "is_recorded") and value not in ("", [])
    }
    stamp = (move.at or "").replace("+00:00", "Z").replace(":", "").replace("-", "")
    return f"{MOVE}{stamp}-{secrets.token_hex(4)}", json.dumps(data, ensure_ascii=False)


def moves_of(carriers: Iterable[ModelVersion | RegisteredModel]) -> list[Move]:
    """Return the moves that versions carry, and the model for those that were deleted, the oldest first.

    A tag that is no move is left out.
    """
    found = {
        key: move
        for carrier in carriers
        for key, value in moves_on(carrier).items()
        if (move := _read(value)) is not None
    }
    return [found[key] for key in sorted(found)]


def moves_on(carrier: ModelVersion | RegisteredModel) -> dict[str, str]:
    """Return the tags that record moves."""
    return {key: value for key, value in carrier.tags.items() if key.startswith(MOVE)}


def moves_outside(moves: Sequence[Move], now: Mapping[str, int]) -> list[Move]:
    """Return a move for each alias that is not where the last recorded one put it."""
    last = {move.alias: move.version for move in moves}
    return [
        Move(
            None, OUTSIDE, alias, last.get(alias), now.get(alias), _said_of(now.get(alias)), is_recorded=False
        )
        for alias in sorted({*last, *now})
        if last.get(alias) != now.get(alias)
    ]


def before(moves: Sequence[Move], alias: str, now: int | None) -> list[int]:
    """Return the versions that held an alias before the one that holds it `now`, the last one first.

    A rollback undoes the move before it, so that one rollback after another walks further back, never forth again.
    """
    held: list[int | None] = []
    for move in moves:
        if move.alias != alias:
            continue
        if not held or held[-1] != move.previous:
            held.append(move.previous)  # the move before this one is not recorded, or its version was deleted
        if move.kind == "rollback":
            while len(held) > 1 and held[-1] != move.version:
                held.pop()
            held[-1] = move.version
        else:
            held.append(move.version)
    if not held or held[-1] != now:
        held.append(now)
    return list(
        dict.fromkeys(version for version in reversed(held) if version is not None and version != now)
    )


def _said_of(now: int | None) -> str:
    return "removed by another tool, or with its version" if now is None else "set by another tool"


def _read(text: str) -> Move | None:
    try:
        told = json.loads(text)
        kind = told.get("kind", "promote")
        return Move(
            at=str(told["at"]), by=str(told["by"]), alias=str(told["alias"]), previous=_number(told["from"]),
            version=_number(told["to"]), why=str(told.get("why") or ""),
            kind=kind if kind in ("rollback", "unset") else "promote",
            evidence=tuple(row for row in told.get("evidence", ()) if isinstance(row, dict)),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):  # somebody else wrote the tag
        return None


def _number(told: Any) -> int | None:
    return None if told is None else int(told)
