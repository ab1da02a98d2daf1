"""Attributes held against the schema of their flavor: names, types, what is required, what is secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, did_you_mean
from .addresses import MASK, without_credentials

if TYPE_CHECKING:
    from .flavors import Attribute, Flavor

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_WHOLE_REFERENCE = re.compile(r"<<[\w-]+\.[\w.-]+>>", re.ASCII)
_WORDS = {
    "str": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "map": "a map",
    "count": "a whole number, or auto",
}


class InvalidAttributeError(ConfigError):
    """One attribute is wrong; the message never holds its value."""

    def __init__(self, attribute: str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"{attribute}: {problem}", hint=hint)
        self.attribute = attribute


def check_attributes(flavor: Flavor, name: str, attributes: Mapping[str, Any]) -> list[str]:
    """Check names, types and the flavor's own rules; return warnings. References are left unresolved."""
    from .flavors import imported

    for key, value in attributes.items():
        _check_type(known_attribute(flavor, key), value)
    for attribute in flavor.attributes:
        if attribute.required and attribute.name not in attributes:
            raise InvalidAttributeError(attribute.name, f"missing: flavor {flavor.name!r} needs it")
    warnings: list[str] = []
    if flavor.validator is not None:
        validate: Callable[..., list[str]] = imported(flavor.validator)
        warnings = list(validate(name, attributes, anonymous=bool(attributes.get("anonymous"))))
    for path, text in texts(attributes):
        if not _is_secret(flavor, path) and without_credentials(text) != text:
            raise InvalidAttributeError(
                path,
                "holds credentials in plain text",
                hint="put them in a secret and write <<secret.key|url>> in their place",
            )
    return warnings


def known_attribute(flavor: Flavor, name: str) -> Attribute:
    """Return the attribute of that name, or refuse it with the nearest right one."""
    attribute = flavor.attribute(name)
    if attribute is None:
        names = [known.name for known in flavor.attributes]
        raise InvalidAttributeError(
            name,
            f"flavor {flavor.name!r} has no such attribute{did_you_mean(name, names)}",
            hint=f"mlx flavor describe {flavor.name}",
        )
    return attribute


def from_text(attribute: Attribute, text: str, *, is_secret: bool = False) -> Any:
    """Turn what was typed into the attribute's type; a reference stays text until it is resolved."""
    if attribute.type == "map" and has_marks(text):
        try:
            return _map(text)  # references are in it, and it is one as it stands
        except (ValueError, RecursionError):
            return text
    if attribute.type == "str" or has_marks(text):
        return text
    try:
        return _PARSERS[attribute.type](text)
    except (ValueError, RecursionError):
        shown = "" if attribute.secret or is_secret else f", not {text[:60]!r}"
        extra = ' such as \'{"team": "vision"}\'' if attribute.type == "map" else ""
        raise InvalidAttributeError(
            attribute.name, f"has to be {_WORDS[attribute.type]}{extra}{shown}"
        ) from None


def typed(flavor: Flavor, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes in the types of the flavor; what was typed as text is converted."""
    return {
        key: from_text(known_attribute(flavor, key), value) if isinstance(value, str) else value
        for key, value in attributes.items()
    }


def normalised(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes with every reference written `<<secret.key>>`, as it is stored."""
    return {key: _normalised(key, value) for key, value in attributes.items()}


def _normalised(path: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _normalised(f"{path}.{key}", item) for key, item in value.items()}
    if not has_marks(value):
        return value
    from ..secrets.references import normalise

    try:
        return normalise(value)
    except ConfigError as error:
        raise InvalidAttributeError(path, error.message, hint=error.hint) from error


def has_marks(value: object) -> bool:
    """Say whether a text may hold a reference; a cheap test before the secrets are asked."""
    return isinstance(value, str) and ("<<" in value or "{{" in value)


def texts(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text in the attributes with its path: `tags.team`."""
    for key, value in attributes.items():
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, Mapping):
            for path, text in texts(value):
                yield f"{key}.{path}", text


def masked(flavor: Flavor | None, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes as they may be shown: references as they are, plain credentials as ***."""
    return {key: _shown(flavor, key, value) for key, value in attributes.items()}


def plain_credentials(flavor: Flavor, attributes: Mapping[str, Any]) -> list[str]:
    """Name the attributes whose value, or a part of it, is a credential; one in a map by its path: `tags.link`."""
    secret = [
        key for key, value in attributes.items() if _is_secret(flavor, key) and not _is_reference(value)
    ]
    inside = [path for path, text in texts(attributes) if without_credentials(text) != text]
    return secret + [path for path in inside if not _is_secret(flavor, path)]


def sounds_secret(key: str) -> bool:
    """Judge an attribute by its name, where its flavor cannot be asked."""
    return any(word in key for word in ("password", "token", "secret", "key", "credential"))


def _shown(flavor: Flavor | None, key: str, value: Any) -> Any:
    if _is_secret(flavor, key) and not _is_reference(value):
        return MASK
    return _without_credentials(value)


def _without_credentials(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_credentials(item) for key, item in value.items()}
    return without_credentials(value) if isinstance(value, str) else value


def _is_secret(flavor: Flavor | None, key: str) -> bool:
    """Without its flavor, which may not be installed here, an attribute is judged by its name."""
    attribute = flavor.attribute(key) if flavor else None
    return attribute.secret if attribute else sounds_secret(key)


def _is_reference(value: object) -> bool:
    if not isinstance(value, str) or not has_marks(value):
        return False
    if _WHOLE_REFERENCE.fullmatch(
        value
    ):  # nearly all of them, and then a listing need not import the secrets
        return True
    from ..secrets.references import has_reference

    return has_reference(value)


def _check_type(attribute: Attribute, value: Any) -> None:
    if has_marks(value) or _HAS_TYPE[attribute.type](value):
        return
    quote = (
        ": put quotes round it" if attribute.type == "str" and isinstance(value, (bool, int, float)) else ""
    )
    of = " of names to text, numbers, true or false" if attribute.type == "map" else ""
    raise InvalidAttributeError(attribute.name, f"has to be {_WORDS[attribute.type]}{of}{quote}")


def _bool(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _map(text: str) -> dict[str, Any]:
    import json

    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _count(text: str) -> int | str:
    if text == "auto":
        return text
    if text.isdigit():
        return int(text)
    raise ValueError(text)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "bool": _bool,
    "int": int,
    "float": float,
    "map": _map,
    "count": _count,
}
_HAS_TYPE: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "count": lambda value: value == "auto" or (type(value) is int and value >= 0),
    "map": lambda value: (
        isinstance(value, dict)
        and not any(isinstance(item, (dict, list)) or item is None for item in value.values())
    ),
}
