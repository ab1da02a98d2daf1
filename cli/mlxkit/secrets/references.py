"""References `<<name.key>>` in text: find them, check how they are written, replace them by values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field

from ..dataclass import dataclass
from ..errors import ConfigError, CredentialsError, did_you_mean
from .names import KEY, NAME, is_user_name
from .value import SecretValue

Lookup = Callable[[str], "Mapping[str, str] | None"]

_INSIDE = rf"\s*({NAME})\.({KEY}?)\s*(?:\|\s*(\w*)\s*)?"
_TOKEN = re.compile(
    rf"""
      \\(?P<literal><<|\{{\{{)                                 # \<< and \{{{{ are the brackets themselves
    | <<{_INSIDE}>>
    | (?<!\$)\{{\{{{_INSIDE}\}}\}}                             # ${{{{ }}}} belongs to GitHub
    | (?P<wrong> <<[\w.|-]{{1,200}}>> | (?<!\$)\{{\{{\s*[\w.|-]{{1,200}}\s*\}}\}} )
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True)
class Reference:
    """One `<<secret.key>>`, with the filter after `|` if there is one."""

    secret: str
    key: str
    filter: str = ""

    def __str__(self) -> str:
        return f"<<{self.secret}.{self.key}{'|' + self.filter if self.filter else ''}>>"


class WrongReferenceError(ConfigError):
    """Something looks like a reference and is none."""


def find(text: str) -> list[Reference]:
    """Return the references in `text`, in order."""
    return [reference for match in _TOKEN.finditer(text) if (reference := _reference(match))]


def has_reference(text: str) -> bool:
    """Say whether `text` holds a reference."""
    return bool(find(text))


def normalise(text: str) -> str:
    """Return `text` with every reference written `<<name.key>>`; refuse what only looks like one."""

    def write(match: re.Match[str]) -> str:
        reference = _reference(match)
        if reference is None and match["literal"] is None:
            raise WrongReferenceError(_wrong(match[0]))
        return str(reference) if reference else match[0]

    return _TOKEN.sub(write, text)


def renamed(text: str, old: str, new: str) -> str:
    """Return `text` with the references to one secret going to another."""

    def write(match: re.Match[str]) -> str:
        reference = _reference(match)
        if reference is None or reference.secret != old:
            return match[0]
        return str(Reference(new, reference.key, reference.filter))

    return _TOKEN.sub(write, text)


def resolve(
    fields: Mapping[str, str], lookup: Lookup, *, names: Callable[[], Iterable[str]] | None = None
) -> dict[str, SecretValue | str]:
    """Replace the references in every field; a text that had none comes back as plain text.

    Values are never looked into for more references. Everything that is missing is in one error, with `names`
    to suggest from.
    """
    problems = _Problems(names)
    resolved = {path: _resolve(text, path, lookup, problems) for path, text in fields.items()}
    problems.raise_if_any()
    return resolved


def _resolve(text: str, path: str, lookup: Lookup, problems: _Problems) -> SecretValue | str:
    used: list[Reference] = []

    def value(match: re.Match[str]) -> str:
        reference = _reference(match)
        if reference is None:
            if match["literal"] is None:
                problems.wrong.append(f"{path}: {_wrong(match[0])}")
            return match["literal"] or ""
        values = lookup(reference.secret)
        found = None if values is None else values.get(reference.key)
        if found is None:
            problems.missing(path, reference, values)
            return ""
        used.append(reference)
        SecretValue(
            found, reference.key
        )  # the masker must know the value itself, not only the text around it
        return _filtered(found, reference.filter)

    replaced = _TOKEN.sub(value, text)
    if not used:
        return replaced
    is_name_alone = all(is_user_name(reference.key) for reference in used)
    return SecretValue(replaced, path.rpartition(".")[2] if is_name_alone else "")


def _reference(match: re.Match[str]) -> Reference | None:
    groups = match.groups()
    for name, key, chosen in (groups[1:4], groups[4:7]):
        if name and chosen in (None, "url"):
            return Reference(name, key, chosen or "")
    return None


def _filtered(value: str, name: str) -> str:
    if name == "url":
        from urllib.parse import quote

        return quote(value, safe="")
    return value


def _wrong(written: str) -> str:
    if "|" in written:
        return f"{written!r}: the only filter is 'url', as in <<name.key|url>>"
    return (
        f"{written!r} is not a reference: write <<name.key>>, or \\{written[:2]} for the brackets themselves"
    )


@dataclass
class _Problems:
    """What could not be resolved, collected so that it is reported at once."""

    names: Callable[[], Iterable[str]] | None
    wrong: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    hint: str | None = None

    def missing(self, path: str, reference: Reference, values: Mapping[str, str] | None) -> None:
        if values is None:
            names = self.names() if self.names else ()
            what = f"no secret named {reference.secret!r}{did_you_mean(reference.secret, names)}"
            verb = "create"
        else:
            keys = sorted(values)
            what = (
                f"secret {reference.secret!r} has no key {reference.key!r}{did_you_mean(reference.key, keys)}"
            )
            what += f", only {', '.join(keys)}" if keys else ""
            verb = "update"
        self.absent.append(f"{path}: {what}")
        self.hint = self.hint or f"mlx secret {verb} {reference.secret} --{reference.key}"

    def raise_if_any(self) -> None:
        if self.wrong:
            raise WrongReferenceError("; ".join(self.wrong + self.absent))
        if self.absent:
            unique = list(dict.fromkeys(self.absent))
            start = "" if len(unique) == 1 else f"{len(unique)} references cannot be resolved:\n  "
            raise CredentialsError(start + "\n  ".join(unique), hint=self.hint)
