"""A stack that `zenml stack export` wrote, turned into one that `mlx stack import` takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any

from ..config.document import IMPLICIT, decode
from ..config.kinds import KINDS
from ..config.model import VERSION
from ..config.paths import Project
from ..config.yamltext import dump_yaml, load_yaml
from ..dataclass import dataclass
from ..errors import ConfigError, CredentialsError, MlxError
from .attributes import plain_credentials
from .credentials import placeholder
from .flavors import Flavor, get_flavor
from .transfer import Imported, import_stacks

_NO_EFFECT = {
    "artifact_store": ("path",),  # only where it is the folder that ZenML made for itself
    "model_deployer": ("service_path",),
}
_ZENMLS_OWN = "/local_stores/"
_NOTHING: tuple[Any, ...] = (None, "", False, {}, [])


@dataclass(frozen=True)
class Translation:
    """A configuration with one stack, what is to be known of it, and the credentials that were taken out."""

    text: str
    notes: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def import_zenml_stack(
    project: Project,
    data: bytes,
    source: str,
    *,
    name: str | None = None,
    force: bool = False,
    secrets_into: str | None = None,
    skip_unsupported: bool = False,
) -> Imported:
    """Add a stack that ZenML exported; its plain credentials go into the new secret `secrets_into`, or are refused."""
    found = translate(data, source, secrets_into=secrets_into, skip_unsupported=skip_unsupported)
    with _kept_in(secrets_into, found.secrets):
        imported = import_stacks(project, found.text.encode(), source, name=name, force=force)
    return replace(imported, warnings=(*found.notes, *imported.warnings))


def translate(
    data: bytes, source: str, *, secrets_into: str | None = None, skip_unsupported: bool = False
) -> Translation:
    """Return what an export of ZenML's says in the words of `mlx.yaml`.

    Raises ConfigError naming everything that has no counterpart here, unless that is to be skipped, and
    CredentialsError for credentials in plain text, unless they are to go into a secret.
    """
    return _Reading(data, source, secrets_into).translation(skip_unsupported=skip_unsupported)


class _Reading:
    """One reading of an export; collects what cannot be taken before it raises."""

    def __init__(self, data: bytes, source: str, secrets_into: str | None) -> None:
        self._source = source
        self._into = secrets_into
        self._document = _checked(load_yaml(decode(data, source), what=source), source)
        self._notes: list[str] = []
        self._unsupported: list[str] = []
        # Attributes that are not known here, of components that are taken, by component and flavor.
        self._unknown: dict[tuple[str, str], list[str]] = {}
        self._plain: list[str] = []
        self._secrets: dict[str, str] = {}
        self._sections: dict[str, dict[str, Any]] = {}
        self._stack: dict[str, str] = {}

    def translation(self, *, skip_unsupported: bool) -> Translation:
        for kind, components in self._document["components"].items():
            for component in components if isinstance(components, list) else [components]:
                self._take(str(kind), component)
        if (self._unsupported or self._unknown) and not skip_unsupported:
            refused = [
                *self._unsupported,
                *(f"{shown}: flavor {flavor!r} has no attribute {key!r}"
                  for (shown, flavor), keys in self._unknown.items() for key in keys),
            ]  # fmt: skip
            raise ConfigError(
                "\n".join(f"{self._source}: {text}" for text in refused),
                hint="add --skip-unsupported to import the rest",
            )
        if self._plain:
            raise CredentialsError(
                f"{self._source} holds credentials in plain text: {', '.join(self._plain)}",
                hint="add --secrets-into NAME: they go into that secret, and the stack refers to it",
            )
        self._notes += [f"left out: {text}" for text in self._unsupported]
        self._notes += [
            f"left out of {shown}: {', '.join(keys)}" for (shown, _), keys in self._unknown.items()
        ]
        name = _name(str(self._document["stack_name"]), self._notes)
        stack = {kind: self._stack[kind] for kind in KINDS if kind in self._stack}
        document = {"version": VERSION, **self._sections, "stacks": {name: stack}}
        return Translation(dump_yaml(document), tuple(self._notes), self._secrets)

    def _take(self, kind: str, component: Any) -> None:
        if not isinstance(component, Mapping) or not isinstance(component.get("name"), str):
            raise ConfigError(f"{self._source}: components.{kind}: a component has a name and a flavor")
        shown, flavor_name = f"{kind} {component['name']!r}", str(component.get("flavor"))
        if kind not in KINDS:
            self._unsupported.append(f"{shown} ({flavor_name}): stacks have no {kind.replace('_', ' ')} here")
            return
        if kind in self._stack:
            self._unsupported.append(
                f"{shown}: a stack has one {KINDS[kind].title} here, {self._stack[kind]!r}"
            )
            return
        try:
            flavor = get_flavor(kind, flavor_name)
        except MlxError as error:
            self._unsupported.append(f"{shown}: {error.message}")
            return
        name = _name(component["name"], self._notes)
        attributes = self._attributes(shown, name, flavor, component.get("configuration") or {})
        self._stack[kind] = name
        if attributes or IMPLICIT[kind].get(name) != flavor_name:
            self._sections.setdefault(KINDS[kind].section, {})[name] = {"flavor": flavor_name, **attributes}

    def _attributes(self, shown: str, name: str, flavor: Flavor, given: Mapping[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, value in given.items():
            if value in _NOTHING:
                continue
            if key in _NO_EFFECT.get(flavor.kind, ()) and (key != "path" or _ZENMLS_OWN in str(value)):
                self._notes.append(f"{shown}: {key} is ZenML's own folder and was left out")
            elif flavor.attribute(key) is None:
                self._unknown.setdefault((shown, flavor.name), []).append(key)
            else:
                kept[key] = value
        for path in plain_credentials(flavor, kept):
            self._hide(shown, name, path, kept)
        return kept

    def _hide(self, shown: str, name: str, path: str, attributes: dict[str, Any]) -> None:
        """Put a credential into the secret and a reference in its place, if there is a secret to put it into."""
        if self._into is None:
            self._plain.append(f"{path} of {shown}")
            return
        *parents, last = path.split(".")
        inside = attributes
        for parent in parents:
            inside = inside[parent]
        key = placeholder(name, path)[1]
        if key in self._secrets:
            key = f"{name}_{key}".replace("-", "_")
        self._secrets[key] = str(inside[last])
        inside[last] = f"<<{self._into}.{key}>>"


def _checked(document: Any, source: str) -> Mapping[str, Any]:
    if isinstance(document, Mapping) and "stacks" in document:
        raise ConfigError(f"{source} is a stack that mlx exported", hint=f"mlx stack import {source}")
    components = document.get("components") if isinstance(document, Mapping) else None
    if not isinstance(components, Mapping) or not document.get("stack_name"):
        raise ConfigError(
            f"{source} is no stack that ZenML exported: it has no stack_name and components",
            hint="zenml stack export NAME stack.yaml",
        )
    return document  # type: ignore[no-any-return]


def _name(name: str, notes: list[str]) -> str:
    """Return a name as it may be here."""
    allowed = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.") or "imported"
    if allowed != name:
        notes.append(f"{name!r} is called {allowed!r} here")
    return allowed


@contextmanager
def _kept_in(secret: str | None, values: Mapping[str, str]) -> Iterator[None]:
    """Create a secret for what is done inside, and take it away again when that fails."""
    if secret is None or not values:
        yield
        return
    from ..secrets.service import SecretService

    service = SecretService()
    service.create(secret, values)
    try:
        yield
    except BaseException:
        service.delete(secret)
        raise
