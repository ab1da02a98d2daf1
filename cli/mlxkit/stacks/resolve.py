"""Components with their references replaced: made when a run starts, and never shown or stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..config.kinds import KINDS
from ..dataclass import dataclass
from ..records import ComponentRecord
from .attributes import from_text, has_marks, texts
from .flavors import Attribute, Flavor, get_flavor

if TYPE_CHECKING:
    from ..secrets.service import SecretService
    from ..secrets.value import SecretValue


@dataclass(frozen=True)
class ResolvedComponent:
    """A component ready to be used; a credential, and a text that held a reference, is a SecretValue."""

    kind: str
    name: str
    flavor: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class ResolvedStack:
    """A stack ready to be used; the artifact store and the orchestrator are always there."""

    name: str
    components: Mapping[str, ResolvedComponent]


def resolve_components(
    components: Iterable[ComponentRecord], secrets: SecretService
) -> list[ResolvedComponent]:
    """Replace every reference of every component; all that are missing are reported in one CredentialsError.

    The components come with their attributes as written, not as masked for showing.
    """
    found = list(components)
    fields: dict[str, str] = {}
    for component in found:
        prefix = f"{KINDS[component.kind].section}.{component.name}"
        fields |= {f"{prefix}.{path}": text for path, text in texts(component.attributes) if has_marks(text)}
    resolved: Mapping[str, SecretValue | str] = {}
    if fields:
        from ..secrets.references import resolve

        resolved = resolve(fields, secrets.lookup, names=lambda: [secret.name for secret in secrets.list()])
    return [_resolved(component, resolved) for component in found]


def _resolved(component: ComponentRecord, values: Mapping[str, SecretValue | str]) -> ResolvedComponent:
    flavor = get_flavor(component.kind, component.flavor)
    prefix = f"{KINDS[component.kind].section}.{component.name}"
    attributes = {
        key: _value(flavor, flavor.attribute(key), value, f"{prefix}.{key}", values)
        for key, value in component.attributes.items()
    }
    return ResolvedComponent(component.kind, component.name, component.flavor, attributes)


def _value(
    flavor: Flavor,
    attribute: Attribute | None,
    value: Any,
    path: str,
    values: Mapping[str, SecretValue | str],
) -> Any:
    if isinstance(value, Mapping):
        return {key: _value(flavor, None, item, f"{path}.{key}", values) for key, item in value.items()}
    value = values.get(path, value)
    if attribute is None:
        return value
    if attribute.type != "str" and not isinstance(value, (bool, int, float)):
        return from_text(attribute, value if isinstance(value, str) else value.reveal(), is_secret=True)
    if attribute.secret and isinstance(value, str):
        from ..secrets.value import SecretValue

        return SecretValue(value, attribute.name)  # written in plain text, and still not to be printed
    return value
