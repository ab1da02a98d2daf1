"""Moving stages and aliases: on evidence, one holder at a time, each move recorded before it is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from pathlib import Path

from ..config.state_lock import state_lock
from ..dataclass import dataclass
from ..errors import MlxError
from ..records import Record
from ..stacks.registries import ModelRegistry, ModelVersion, RegisteredModel
from .evidence import Condition, EvidenceRow, parse_condition
from .gate import judge
from .moves import Kind, Move, before, check_why, moves_of, moves_outside, new_move, tag_of
from .references import find_model, model_name, resolve, versions_of
from .stages import (
    STAGES,
    check_alias,
    held_by,
    holder,
    is_kept_by_mlflow_2,
    kept_in,
    no_holder,
    spellings,
    stages_of,
)

_LOCK = "models/moves.lock"
_ALL = 100_000  # versions: a move may be on any of them
_WAIT = 120.0  # seconds for another process of this project that is moving something


@dataclass(frozen=True)
class Promotion(Record):
    """What came of it: `promoted` says whether `version` holds (or with `is_dry_run`: would hold) `alias`.

    `previous` had it before; `is_changed` is false when nothing was to be done; `left` are the stages that it left,
    `skipped` the versions that a rollback passed over because they were deleted.
    """

    name: str
    version: int
    alias: str
    previous: int | None
    promoted: bool
    is_changed: bool = False
    is_dry_run: bool = False
    rows: tuple[EvidenceRow, ...] = ()
    left: tuple[str, ...] = field(default_factory=tuple)
    skipped: tuple[int, ...] = ()

    @property
    def reference(self) -> str:
        """The version as commands take it."""
        return f"{self.name}:{self.version}"


class Promotions:
    """Moves what versions are called; processes of one project take turns, so that a record says who had it before."""

    def __init__(self, registry: ModelRegistry, state_dir: Path) -> None:
        self._registry = registry
        self._state_dir = state_dir

    def promote(
        self,
        reference: str,
        to: str,
        *,
        why: str = "",
        conditions: Sequence[str] = (),
        or_first: bool = False,
        dry_run: bool = False,
    ) -> Promotion:
        """Give a version a stage or an alias, if every condition holds; they are judged also where it has it already.

        With `or_first`, conditions on the holder of that alias are left out while nobody has it.
        """
        check_why(why)
        alias, asked = check_alias(to), [parse_condition(text) for text in conditions]
        with self._turn():
            version = resolve(self._registry, reference)
            model = find_model(self._registry, version.name)
            left = _other_stages(version, alias)
            previous = holder(self._registry, model, alias)
            done = Promotion(
                version.name, version.version, alias, previous, True, is_dry_run=dry_run, left=left
            )
            if or_first and previous is None:
                asked = [condition for condition in asked if alias.lower() not in _aliases_in(condition)]
            rows = judge(self._registry, version, asked)
            if not all(row.holds for row in rows):
                return _with(done, promoted=False, rows=rows, left=())
            if spellings(model, alias) == [alias] and model.aliases[alias] == version.version and not left:
                return _with(done, rows=rows)
            if not dry_run:
                self._give(model, version, alias, "promote", why, rows)
            return _with(done, is_changed=not dry_run, rows=rows)

    def rollback(self, name: str, to: str, *, why: str = "", dry_run: bool = False) -> Promotion:
        """Give a stage or an alias back to the version that had it before; again, and it walks further back.

        Versions that were deleted since are passed over.
        """
        check_why(why)
        alias, name = check_alias(to), model_name(name, self._registry)
        with self._turn():
            model = find_model(self._registry, name)
            versions = versions_of(self._registry, name, limit=_ALL)
            now = holder(self._registry, model, alias)
            earlier = before(moves_of([model, *versions]), alias, now)
            if not earlier:
                raise MlxError(
                    f"no version of {name!r} was {alias!r} before"
                    + (f" version {now}" if now is not None else ""),
                    hint=f"mlx model promote {name}:VERSION --to {alias}",
                )
            there = {item.version: item for item in versions}
            version = next((there[number] for number in earlier if number in there), None)
            if version is None:
                raise MlxError(
                    f"version {earlier[0]} of {name!r}, which was {alias!r} before, was deleted",
                    hint=f"mlx model promote {name}:VERSION --to {alias}",
                )
            done = Promotion(
                name,
                version.version,
                alias,
                now,
                True,
                is_dry_run=dry_run,
                left=_other_stages(version, alias),
                skipped=tuple(earlier[: earlier.index(version.version)]),
            )
            if not dry_run:
                self._give(model, version, alias, "rollback", why)
            return _with(done, is_changed=not dry_run)

    def unset(self, name: str, alias: str, *, why: str = "") -> Move:
        """Take a stage or an alias away from the version that holds it, however it is written."""
        check_why(why)
        alias, name = check_alias(alias), model_name(name, self._registry)
        with self._turn():
            model = find_model(self._registry, name)
            now = holder(self._registry, model, alias)
            if now is None:
                raise no_holder(model, alias, f"mlx model history {name}")
            move = self._record_and_move(name, new_move(alias, now, None, kind="unset", why=why))
            self._clear(model, alias, keep=None)
            return move

    def history(self, name: str, alias: str | None = None) -> list[Move]:
        """Return the moves of a model's stages and aliases, the newest first; unrecorded ones before them."""
        name = model_name(name, self._registry)
        wanted = None if alias is None else check_alias(alias)
        model = find_model(self._registry, name)
        moves = moves_of([model, *versions_of(self._registry, name, limit=_ALL)])
        told = [*moves_outside(moves, held_by(model)), *reversed(moves)]
        return [move for move in told if wanted in (None, move.alias)]

    def _give(
        self,
        model: RegisteredModel,
        version: ModelVersion,
        alias: str,
        kind: Kind,
        why: str,
        rows: Sequence[EvidenceRow] = (),
    ) -> None:
        previous = holder(self._registry, model, alias)
        if model.aliases.get(alias) != version.version:
            had = None if previous == version.version else previous
            move = new_move(alias, had, version.version, kind=kind, why=why, evidence=rows)
            self._record_and_move(model.name, move)
        self._clear(model, alias, keep=version.version)
        for stage in _other_stages(version, alias):
            gone = new_move(stage, version.version, None, kind="unset", why=f"moved to {alias}")
            self._record_and_move(model.name, gone, holds=stage in version.aliases)
            self._clear_of(model, version, stage)

    def _clear(self, model: RegisteredModel, stage: str, *, keep: int | None) -> None:
        """Take away every other spelling of a stage, and the stage as MLflow 2 kept it, but for the version to keep."""
        if stage not in STAGES:
            return
        for name in spellings(model, stage):
            if name != stage:
                self._registry.set_alias(model.name, name, None)
        for item in kept_in(self._registry, model, stage):
            if item.version != keep:
                self._registry.leave_stage(model.name, item.version)

    def _clear_of(self, model: RegisteredModel, version: ModelVersion, stage: str) -> None:
        """Take the other ways of being in a stage away from one version."""
        for name in version.aliases:
            if name.lower() == stage and name != stage:
                self._registry.set_alias(model.name, name, None)
        if is_kept_by_mlflow_2(version, stage):
            self._registry.leave_stage(model.name, version.version)

    def _record_and_move(self, name: str, move: Move, *, holds: bool = True) -> Move:
        """Write down a move, then make it; one that failed leaves no record.

        `holds` says whether the alias itself is to be moved: a stage may be written otherwise.
        """
        carrier = move.version if move.version is not None else move.previous
        key, text = tag_of(move)
        self._registry.set_tags(name, {key: text}, version=carrier)
        try:
            if holds:
                self._registry.set_alias(name, move.alias, move.version)
        except BaseException:
            with suppress(MlxError):  # it may have moved, although no answer came
                if self._registry.model(name).aliases.get(move.alias) != move.version:
                    self._registry.set_tags(name, {key: None}, version=carrier)
            raise
        return move

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with state_lock(self._state_dir, _LOCK, timeout=_WAIT):
            yield


def _other_stages(version: ModelVersion, alias: str) -> tuple[str, ...]:
    """Return the stages that a version leaves when it is given one: it is in one stage, and free aliases stay."""
    if alias not in STAGES:
        return ()
    return tuple(stage for stage in stages_of(version) if stage != alias)


def _with(done: Promotion, **changed: object) -> Promotion:
    from dataclasses import replace

    return replace(done, **changed)  # type: ignore[arg-type]


def _aliases_in(condition: Condition) -> set[str]:
    return {metric.alias.lower() for metric in condition.metrics() if metric.alias is not None}
