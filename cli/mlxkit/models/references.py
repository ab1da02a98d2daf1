"""References to models: `NAME`, `NAME:7`, `NAME:1.0.0`, `NAME@production`, `models:/NAME/7`, and what they stand for."""

from __future__ import annotations

import re

from ..dataclass import dataclass
from ..errors import NotFoundError, UsageError, did_you_mean
from ..stacks.aliases import LATEST, may_be_alias
from ..stacks.registries import ALL_VERSIONS, ModelRegistry, ModelVersion, RegisteredModel
from .stages import STAGES, holder, no_holder
from .tags import VERSION_TAG

_SCHEME = "models:/"
_NUMBER = re.compile(r"[vV]?([0-9]{1,18})")
_FORMS = "NAME, NAME:7, NAME:1.0.0, NAME@production or NAME:latest"


@dataclass(frozen=True)
class ModelReference:
    """A reference taken apart: at most one of `alias` and `version` is there, and neither for a bare name."""

    name: str
    alias: str | None = None
    version: str | None = None

    @property
    def is_bare(self) -> bool:
        """Say whether it names the model, and no version."""
        return self.alias is None and self.version is None

    @property
    def number(self) -> int | None:
        """The version's number, when it is given by that."""
        found = _NUMBER.fullmatch(self.version or "")
        return int(found[1]) if found else None

    @property
    def is_latest(self) -> bool:
        """Say whether the newest version is meant."""
        return self.is_bare or LATEST in (self.version, self.alias)


def parse(text: str) -> ModelReference:
    """Take a reference apart; raises UsageError for what is none."""
    if text.startswith(_SCHEME):
        return _parse_uri(text)
    name, mark, rest = text.partition(":")  # no model's name holds a colon
    if mark:
        return _checked(text, ModelReference(name, version=rest))
    return _parse_alias(text, text)


def resolve(registry: ModelRegistry, text: str) -> ModelVersion:
    """Return the version that a reference stands for; a bare name is its newest.

    Raises UsageError for what is no reference, NotFoundError with what there is.
    """
    reference = parse(text)
    try:
        return _resolved(registry, reference)
    except NotFoundError:
        other = meant(registry, text)
        if other == reference:
            raise
    return _resolved(registry, other)


def meant(registry: ModelRegistry, text: str) -> ModelReference:
    """Take a reference apart; where there is no model `a`, `a@b` is the model whose own name holds an @."""
    reference = parse(text)
    if reference.alias is None or _is_there(registry, reference.name):
        return reference
    whole = ModelReference(text.removeprefix(_SCHEME))
    return whole if "/" not in whole.name and _is_there(registry, whole.name) else reference


def _is_there(registry: ModelRegistry, name: str) -> bool:
    try:
        registry.model(name)
    except NotFoundError:
        return False
    return True


def _resolved(registry: ModelRegistry, reference: ModelReference) -> ModelVersion:
    if reference.is_latest:
        newest = versions_of(registry, reference.name, limit=1)
        if not newest:
            raise NotFoundError(
                f"model {reference.name!r} has no version",
                hint=f"mlx model register {reference.name} --run RUN",
            )
        return newest[0]
    if reference.number is not None:
        return _by_number(registry, reference.name, reference.number)
    if reference.alias is not None:
        model = find_model(registry, reference.name)
        number = holder(registry, model, reference.alias)
        if number is None:
            raise no_holder(model, reference.alias, f"mlx model versions {model.name}")
        return _by_number(registry, model.name, number)
    return _by_label(registry, reference.name, reference.version or "")


def model_name(text: str, registry: ModelRegistry | None = None) -> str:
    """Return the name of the model from a reference that names no version; raises UsageError for one that does.

    With a registry it is looked whether a name with an @ is a model's own.
    """
    reference = parse(text) if registry is None else meant(registry, text)
    if not reference.is_bare:
        raise UsageError(f"{text!r} names a version, and this takes a model", hint=f"write {reference.name}")
    return reference.name


def find_model(registry: ModelRegistry, name: str) -> RegisteredModel:
    """Return a model by name; raises NotFoundError with the name that may have been meant."""
    try:
        return registry.model(name)
    except NotFoundError:
        raise unknown_model(registry, name) from None


def versions_of(registry: ModelRegistry, name: str, *, limit: int = 1000) -> list[ModelVersion]:
    """Return a model's versions, the newest first; raises NotFoundError for a model that is not there."""
    try:
        found = registry.versions(name, limit=limit)
    except NotFoundError:
        raise unknown_model(registry, name) from None
    if not found:  # either nothing of that name, or a model that nothing was registered for yet
        find_model(registry, name)
    return found


def unknown_model(registry: ModelRegistry, name: str) -> NotFoundError:
    """Return the error for a model that is not there."""
    names = [item.name for item in registry.models()]
    near = did_you_mean(name, names)
    if names:
        return NotFoundError(f"no model {name!r}{near}", hint="mlx model list")
    return NotFoundError(
        f"no model {name!r}: the registry is empty", hint=f"mlx model register {name} --run latest"
    )


def label_of(version: ModelVersion) -> str | None:
    """Return a version's own label, such as 1.0.0."""
    return version.tags.get(VERSION_TAG) or None


def _parse_uri(text: str) -> ModelReference:
    rest = text.removeprefix(_SCHEME)
    name, mark, version = rest.partition("/")
    if not mark:
        if rest.startswith("m-") and "@" not in rest:
            raise UsageError(f"{text!r} is a logged model, and no registered one", hint="mlx model list")
        return _parse_alias(text, rest)
    if version.lower() in STAGES:
        return _checked(text, ModelReference(name, alias=version.lower()))
    return _checked(text, ModelReference(name, version=version))


def _parse_alias(text: str, rest: str) -> ModelReference:
    """Take `NAME@alias` apart; what cannot be an alias belongs to the name, which may hold an @."""
    name, mark, alias = rest.rpartition("@")
    is_alias = bool(mark) and (not alias or may_be_alias(alias))
    return _checked(text, ModelReference(name, alias=alias) if is_alias else ModelReference(rest))


def _checked(text: str, reference: ModelReference) -> ModelReference:
    parts = (reference.name, reference.alias, reference.version)
    if any(part is not None and not part.strip() for part in parts) or any(
        "/" in (part or "") for part in parts
    ):
        raise UsageError(f"{text!r} is no reference to a model", hint=_FORMS)
    return reference


def _by_number(registry: ModelRegistry, name: str, number: int) -> ModelVersion:
    try:
        return registry.version(name, number)
    except NotFoundError:
        there = versions_of(registry, name)
    raise _unknown_version(name, str(number), there)


def _by_label(registry: ModelRegistry, name: str, label: str) -> ModelVersion:
    there = versions_of(registry, name, limit=ALL_VERSIONS)
    for version in there:
        if label_of(version) == label:
            return version
    if label.lower() in (alias.lower() for version in there for alias in version.aliases):
        raise NotFoundError(
            f"no version {label!r} of model {name!r}: that is an alias", hint=f"{name}@{label}"
        )
    raise _unknown_version(name, label, there)


def _unknown_version(name: str, wanted: str, there: list[ModelVersion]) -> NotFoundError:
    labels = [label for label in map(label_of, there) if label]
    known = ", ".join(
        f"{item.version} ({label_of(item)})" if label_of(item) else str(item.version) for item in there[:10]
    )
    more = f" and {len(there) - 10} more" if len(there) > 10 else ""
    return NotFoundError(
        f"no version {wanted!r} of model {name!r}{did_you_mean(wanted, labels)}; it has: {known or 'none'}{more}",
        hint=f"mlx model versions {name}",
    )
