"""What a step is for a worker: plain facts beside its code, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from ..dataclass import dataclass
from ..runs.records import StepRecord
from ..secrets.value import SecretValue
from ..stacks.resolve import ResolvedComponent
from .models import Model
from .services import StepSpec
from .surroundings import Surroundings


@dataclass(frozen=True)
class StepCode:
    """What of a step is code, and the words of the run that may hold the user's own objects. Travels by value."""

    function: Any
    outputs: Sequence[Any]
    materializers: Any
    on_success: Any
    on_failure: Any
    model: Model | None
    parameters: Mapping[str, Any]
    run_model: Model | None


@dataclass(frozen=True)
class RunSetting:
    """What a worker has to know of the run: names, where its project is, the components with their secrets apart."""

    run_id: str
    run_name: str
    pipeline: str
    stack: str
    host: str
    config_path: str
    state_dir: str
    origin: str
    components: tuple[ResolvedComponent, ...]
    trackers: tuple[ResolvedComponent, ...]
    file: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepTask:
    """One step: its description without its code, the record that it begins with, and what stands for the rest."""

    setting: RunSetting
    spec: StepSpec
    blank: StepRecord
    source: StepRecord | None = None
    handed: Any = None
    earlier: tuple[StepRecord, ...] = ()
    surroundings: Surroundings | None = None
    asks_others: bool = False


@dataclass(frozen=True)
class StepResult:
    """What comes back: the record of the step, or that it can be served from `source`; notes for the model of the run."""

    record: StepRecord
    source: StepRecord | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sealed:
    """Stands for a secret in what travels: the value comes beside, under this name."""

    place: str
    attribute: str


def sealed(component: ResolvedComponent, into: dict[str, str]) -> ResolvedComponent:
    """Return a component without its secrets, which are put `into` the values that go beside.

    Those of an orchestrator stay here: how workers are reached is nothing that they need.
    """
    place, given = f"{component.kind}.{component.name}", component.attributes
    if component.kind == "orchestrator":
        given = {key: item for key, item in given.items() if not isinstance(item, SecretValue)}
    attributes = {key: _sealed(item, f"{place}.{key}", key, into) for key, item in given.items()}
    return ResolvedComponent(component.kind, component.name, component.flavor, attributes)


def unsealed(component: ResolvedComponent, values: Mapping[str, str]) -> ResolvedComponent:
    """Return a component with its secrets."""
    attributes = {key: _unsealed(item, values) for key, item in component.attributes.items()}
    return ResolvedComponent(component.kind, component.name, component.flavor, attributes)


def _sealed(value: Any, place: str, attribute: str, into: dict[str, str]) -> Any:
    if isinstance(value, SecretValue):
        into[place] = value.reveal()
        return Sealed(place, attribute)
    if isinstance(value, Mapping):
        return {key: _sealed(item, f"{place}.{key}", attribute, into) for key, item in value.items()}
    return value


def _unsealed(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, Sealed):
        return SecretValue(values[value.place], value.attribute)
    if isinstance(value, Mapping):
        return {key: _unsealed(item, values) for key, item in value.items()}
    return value
