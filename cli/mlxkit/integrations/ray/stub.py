"""The one function that runs on Ray's workers: does pieces of work, and answers in data whatever comes of them."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..._version import __version__
from ...errors import MlxError
from ...secrets.masker import Masker
from ...stacks.executors import Event
from . import saying
from .captured import captured

LONG_ENOUGH = 0.2  # seconds after which a task does not begin another piece of work
_PART = 2**16  # bytes of an argument that Ray keeps in memory; a larger one may come to lie on a disk
_MOST = 2**20
_warm: list[bool] = []


class Order(NamedTuple):
    """One piece of work: its number, its arguments after the code, how many workers died over it."""

    number: int
    args: tuple[Any, ...]
    lost: int


class Answer(NamedTuple):
    """What came of one piece of work; `sent` of what it said went through the channel, `events` come with this."""

    number: int
    result: Any
    error: BaseException | None
    seconds: float | None  # None for the first in a process, which imports what others find there
    sent: int
    events: Sequence[Event]


class OtherVersion(NamedTuple):
    """What a worker with another mlxkit answers."""

    version: str


def perform_pieces(order: bytes, code: Any, *secret_parts: bytes) -> bytes:
    """Do the pieces of work of one task one after the other; those that were not begun are in no answer.

    Nothing is raised: Ray shows the text of an exception to all who look at the cluster.
    """
    version, rest = pickle.loads(order)  # noqa: S301  our own driver's, here and below
    if version != __version__:
        return pickle.dumps(OtherVersion(__version__))
    channel, fn, pieces = pickle.loads(rest)  # noqa: S301
    secrets: dict[int, dict[str, str]] = {}
    if secret_parts:
        secrets = pickle.loads(b"".join(secret_parts))  # noqa: S301
    said = saying.Saying(channel)
    saying.begin(said)
    answers: list[Answer] = []
    begun = time.perf_counter()
    try:
        for piece in map(Order._make, pieces):
            if answers and time.perf_counter() - begun > LONG_ENOUGH:
                break
            answers.append(_performed(fn, code, piece, secrets.pop(piece.number, {}), said))
    finally:
        saying.end()
        secrets.clear()
    return pickle.dumps([tuple(answer) for answer in answers])


def written(channel: str, fn: Any, pieces: Sequence[Order]) -> bytes:
    """Write the order of one task; what another version cannot read comes after the version."""
    return pickle.dumps((__version__, pickle.dumps((channel, fn, [tuple(piece) for piece in pieces]))))


def in_parts(secrets: Mapping[int, Mapping[str, str]]) -> list[bytes]:
    """Write secrets into arguments that are small enough to stay in memory, none when there are none."""
    if not secrets:
        return []
    whole = pickle.dumps({number: dict(values) for number, values in secrets.items()})
    if len(whole) > _MOST:
        raise MlxError(
            f"the secrets of one step are {len(whole)} bytes, more than the {_MOST} that Ray is given"
        )
    return [whole[at : at + _PART] for at in range(0, len(whole), _PART)]


def _performed(fn: Any, code: Any, piece: Order, secrets: dict[str, str], said: saying.Saying) -> Answer:
    began = time.perf_counter()
    result, error = None, None
    notify = said.of(piece.number)
    captured.begin(notify)
    args = piece.args if code is None else (code, *piece.args)
    try:
        result = fn(*args, secrets=secrets, notify=notify, lost=piece.lost)
    except BaseException as raised:  # SystemExit too: the worker is Ray's, and goes on
        error = _sendable(raised, secrets)
    captured.end()
    seconds = time.perf_counter() - began if _warm else None
    _warm[:] = [True]
    return Answer(piece.number, result, error, seconds, *said.rest(piece.number))


def _sendable(error: BaseException, secrets: Mapping[str, str]) -> BaseException:
    """Return an error that can travel, and holds no secret that the work was given."""
    if not secrets:
        try:
            again = pickle.loads(pickle.dumps(error))  # noqa: S301  what was written just now
            return error if type(again) is type(error) else _as_text(error, {})
        except Exception:
            return _as_text(error, {})
    return _as_text(error, secrets)


def _as_text(error: BaseException, secrets: Mapping[str, str]) -> MlxError:
    text = str(error) if isinstance(error, MlxError) else f"{type(error).__name__}: {error}"
    return MlxError(Masker(secrets.values()).mask(text))
