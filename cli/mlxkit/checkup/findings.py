"""What a check found: in order, worth knowing, or broken; with the one command that mends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..dataclass import dataclass
from ..errors import MlxError
from ..records import Record

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding(Record):
    """One line of `mlx doctor`: what was looked at, how it is, and what to type next."""

    name: str
    state: State
    said: str
    fix: str = ""


@dataclass(frozen=True)
class Checkup(Record):
    """Everything that was looked at; healthy when nothing is broken."""

    is_healthy: bool
    findings: tuple[Finding, ...]


def checkup(findings: Iterable[Finding]) -> Checkup:
    """Return the findings with their verdict."""
    found = tuple(findings)
    return Checkup(all(item.state != "fail" for item in found), found)


def failed(name: str, error: MlxError, *, fix: str = "") -> Finding:
    """Return what an error says as a finding."""
    return Finding(name, "fail", error.message, error.hint or fix)
