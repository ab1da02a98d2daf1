"""Give a step to an executor that is not here: its code by value once, its facts, and the secrets beside."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NamedTuple

from ..artifacts import classes
from ..errors import UsageError
from ..runs.ancestry import ancestors
from ..runs.records import StepRecord
from ..stacks.resources import Resources
from .inputs import Arguments
from .relayed import RelayedStep
from .services import RunServices, StepSpec
from .session import Session
from .sharing import is_shared
from .shipping import Shipper
from .stub import perform
from .surroundings import Surroundings, Surveyor
from .wire import RunSetting, StepCode, StepResult, StepTask, sealed
from .worker import host_of_this_process

_KEPT = 16  # pieces of code that are remembered as sent
_FARTHEST = 200  # how many of a step's ancestors travel: the document that is made of them is short
_NOTHING = Arguments({}, {})
_OF_VALUES = ("parameter ", "input ")  # parts of a cache key that are no code


class Packed(NamedTuple):
    """What of a step call is fixed when it is made: its code, its surroundings, and the variables beside them."""

    code: bytes
    surroundings: Surroundings
    beside: Mapping[str, str]


class Dispatch:
    """Packs steps and opens what comes back."""

    def __init__(self, services: RunServices) -> None:
        self._services = services
        self._session: Session = services.run.session
        self._shipper = Shipper(services.root, self._session.options.file)
        self._secrets: dict[str, str] = {}
        self._setting: RunSetting | None = None
        self._is_shared = is_shared(services.store)
        self.ended: dict[str, StepRecord] = {}  # what steps go back to, by name
        self._packed: dict[Any, bytes] = {}
        self._surveyor = Surveyor()

    def packed(self, spec: StepSpec) -> Packed:
        """Return the code of a step, and what is around it, as they are now."""
        surroundings, beside = self._surveyor.now(spec.name)
        return Packed(self._code_of(spec), surroundings, beside)

    def _code_of(self, spec: StepSpec) -> bytes:
        """Return the code of a step; the same object for the same code, because it is sent once."""
        who: Any = None
        if spec.code is not None and spec.on_success is None and spec.on_failure is None:
            who = id(spec.function), frozenset(spec.code.items()), repr(spec.materializers), spec.model
            if who in self._packed:
                return self._packed[who]
        code = StepCode(
            spec.function, spec.outputs, spec.materializers, spec.on_success, spec.on_failure, spec.model,
            self._services.run.parameters, self._services.run.model,
        )  # fmt: skip
        return self._remembered(who, self._shipper.pack(code, f"step {spec.name!r}"))

    def _with_carried(self, code: bytes, spec: StepSpec, parts: Mapping[str, str]) -> bytes:
        """Return the code of a step behind that of the classes which come in its inputs, and which it may not name."""
        names = spec.arguments.code()
        found = [item for item in map(classes.outermost, names) if item is not None]
        if not found:
            return code
        who = code, names, frozenset(item for item in parts.items() if not item[0].startswith(_OF_VALUES))
        if who in self._packed:
            return self._packed[who]
        try:
            return self._remembered(
                who, self._shipper.pack(found, f"what step {spec.name!r} is given") + code
            )
        except UsageError:  # what is written in a module is found there where the step runs
            return code

    def _remembered(self, who: Any, content: bytes) -> bytes:
        content = next((kept for kept in self._packed.values() if kept == content), content)
        self._packed[who or content] = content
        while len(self._packed) > _KEPT:
            del self._packed[next(iter(self._packed))]
        return content

    def submit(
        self,
        spec: StepSpec,
        blank: StepRecord,
        cached: StepRecord | None,
        packed: Packed,
        relayed: RelayedStep,
    ) -> Future[Any]:
        """Give a step to the executor; its future holds what `opened` takes."""
        services = self._services
        handed: Any = None
        earlier: tuple[StepRecord, ...] = ()
        if spec.tracker is not None:
            facts = relayed.facts(blank)
            handed = services.tracking(spec.tracker).handed_over(facts)
            if facts.tracked or facts.touches:
                earlier = tuple(ancestors(blank, self.ended, _FARTHEST))
        plain = replace(
            spec, function=_NOTHING.code, outputs=(), materializers=None, on_success=None, on_failure=None, model=None
        )  # fmt: skip
        task = StepTask(
            self.setting, plain, blank if self._is_shared else replace(blank, parts={}), cached, handed, earlier, packed.surroundings,
            asks_others=self._is_shared and bool(getattr(services.store, "is_remote", False)),
        )  # fmt: skip
        return services.executor.submit(
            perform,
            (self._with_carried(packed.code, spec, blank.parts), pickle.dumps(task, protocol=5)),
            resources=spec.resources or Resources(),
            retries=max(spec.retries.max_retries, services.executor.losses),
            label=spec.name,
            secrets={**self._secrets, **packed.beside},
            on_event=relayed.take,
        )

    def opened(self, done: Future[Any], blank: StepRecord) -> StepResult:
        """Return what a worker sent back; raises what kept it from sending."""
        result: StepResult = pickle.loads(done.result())  # noqa: S301  our own worker's
        return replace(result, record=replace(result.record, parts=blank.parts))

    @property
    def setting(self) -> RunSetting:
        """What every worker has to know of the run; made again when a step asks for a tracker that none did before."""
        session, run = self._session, self._services.run
        if self._setting is None or len(self._setting.trackers) < len(session.other_trackers()):
            components = tuple(sealed(item, self._secrets) for item in session.stack.components.values())
            others = tuple(sealed(item, self._secrets) for item in session.other_trackers())
            file = session.options.file
            self._setting = RunSetting(
                run_id=run.run_id, run_name=run.run_name, pipeline=run.name, stack=run.stack, host=host_of_this_process(),
                config_path=str(session.project.config_path), state_dir=str(session.state_dir),
                origin=session.project.origin, components=components, trackers=others,
                file=str(file.resolve()) if file else None, metadata=dict(run.metadata),
            )  # fmt: skip
        return self._setting
