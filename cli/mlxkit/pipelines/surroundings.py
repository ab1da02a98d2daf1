"""What a step finds around it on a worker: working directory, environment and random numbers, as at the call of the step.

Each worker that is forked has the driver's random state, so that two of them would draw the same numbers; one that is
not has another one each time. So each step begins with a state of its own, made from the driver's when the run began
and the step's name: a seed in the file makes a run repeatable on every engine, and no two steps draw the same.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ..dataclass import dataclass

PREFIX = "environment:"  # of the variables among the secrets that go beside a step: any of them may be one


@dataclass(frozen=True)
class Surroundings:
    """What the pipeline body had changed of its process when it called a step."""

    folder: str
    unset: tuple[str, ...]
    seed: bytes


class Surveyor:
    """Sees what changed since the run began."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._seed: bytes | None = None

    def now(self, step: str) -> tuple[Surroundings, dict[str, str]]:
        """Return the surroundings for a step, and beside them the variables that were set."""
        if self._seed is None:  # here, and not before: the file has set its seeds by its first call of a step
            self._seed = _state()
        before, now = self._environment, dict(os.environ)
        given = {f"{PREFIX}{name}": text for name, text in now.items() if before.get(name) != text}
        unset = tuple(name for name in before if name not in now)
        return Surroundings(_folder(), unset, hashlib.sha256(self._seed + step.encode()).digest()), given


@contextmanager
def within(surroundings: Surroundings, beside: Mapping[str, str]) -> Iterator[None]:
    """Give a step its surroundings, and put back what it changed of them: the next step here may be another one's."""
    environment, folder = dict(os.environ), _folder()
    _enter(surroundings.folder)
    for name in surroundings.unset:
        os.environ.pop(name, None)
    given = {name.removeprefix(PREFIX): text for name, text in beside.items() if name.startswith(PREFIX)}
    os.environ.update(given)
    _seed(surroundings.seed)
    try:
        yield
    finally:
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)
        _enter(folder)


def _folder() -> str:
    """Return the working directory, or nothing when it was deleted."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _enter(folder: str) -> None:
    """Go to a folder, where there is such a one: another machine has others."""
    if folder != _folder():
        with suppress(OSError):
            os.chdir(folder)


def _state() -> bytes:
    """Return a digest of the state of every source of random numbers that is loaded."""
    found = hashlib.sha256(repr(random.getstate()).encode())
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        found.update(repr(numpy.random.get_state()[1].tobytes()).encode())
    if torch is not None:
        found.update(torch.random.get_rng_state().numpy().tobytes())
    return found.digest()


def _seed(seed: bytes) -> None:
    """Begin every source of random numbers that is loaded anew."""
    random.seed(seed)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed(int.from_bytes(seed[:4], "big"))
    if torch is not None:
        torch.random.default_generator.manual_seed(int.from_bytes(seed[:7], "big"))
