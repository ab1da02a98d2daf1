"""Attributes on the command line: any option that a command does not know is one, as ZenML writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import MlxError, UsageError
from ..stacks.attributes import has_marks, sounds_secret
from . import terminal
from .helptext import Command

_KEY = "mlxkit.attributes"
_TRUTHS = ("true", "false", "yes", "no", "on", "off", "1", "0")


class PastedCommand(Command):
    """Ignores, and says so, what comes along when commands are pasted from documents: `...` and blanks."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        notes: list[str] = []
        kept = [word for word in args if not _is_stray(word, notes)]
        _say(notes)
        return super().parse_args(ctx, kept)


class AttributeCommand(Command):
    """Takes `--attr=value`, `--attr value` and, for a boolean, `--attr` off the line before it is parsed.

    The flavors of `kind` say which attributes are booleans.
    """

    kind = ""
    takes_any_option = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {name: option for option in self.get_params(ctx) for name in getattr(option, "opts", ())}
        line = _Line(args, own, self._booleans)
        rest = line.split()
        ctx.meta[_KEY] = line.attributes
        _say(line.notes)
        return super().parse_args(ctx, rest)

    def _booleans(self) -> set[str]:
        from ..stacks.flavors import flavors

        return {
            attribute.name
            for flavor in flavors(self.kind)
            for attribute in flavor.attributes
            if attribute.type == "bool"
        }


def attribute_command(kind: str) -> type[AttributeCommand]:
    """Return the command class for a kind."""
    return type("KindAttributeCommand", (AttributeCommand,), {"kind": kind})


def attributes_of(ctx: Any, *, allow_empty: bool) -> dict[str, str]:
    """Return the attributes that were on the line; `@file` stands for what is in the file, `@@` for an @."""
    typed: dict[str, str] = ctx.meta[_KEY]
    _protect({key: text for key, text in typed.items() if not text.startswith("@")})
    values = {key: _content(key, text) for key, text in typed.items()}
    for key, value in values.items():
        if not value and not allow_empty:
            from ..secrets.names import EmptyValueError

            raise EmptyValueError(f"--{key}")
    return values


class _Line:
    """One pass over the arguments of a command."""

    def __init__(
        self, args: list[str], own: Mapping[str, Any], booleans: Callable[[], Iterable[str]]
    ) -> None:
        self._args = list(args)
        self._own = own
        self._booleans = booleans
        self.attributes: dict[str, str] = {}
        self.notes: list[str] = []

    def split(self) -> list[str]:
        """Return what is not an attribute."""
        rest: list[str] = []
        while self._args:
            word = self._args.pop(0)
            if word == "--":
                return [*rest, word, *self._args]
            if _is_stray(word, self.notes):
                continue
            if word.startswith("-") and word != "-":
                self._option(word, rest)
            else:
                rest.append(word)
        return rest

    def _option(self, word: str, rest: list[str]) -> None:
        flag, equals, value = word.partition("=")
        option = self._own.get(flag)
        if option is not None or not word.startswith("--"):
            rest.append(word)
            if option is not None and not equals and not option.is_flag and self._args:
                rest.append(self._args.pop(0))
            return
        key = flag[2:].replace("-", "_")
        if key in self.attributes:
            raise UsageError(f"--{key} is given twice")
        self.attributes[key] = value if equals else self._next(key, flag)

    def _next(self, key: str, flag: str) -> str:
        following = self._args[0] if self._args else None
        if key in self._booleans():
            return self._args.pop(0) if (following or "").lower() in _TRUTHS else "true"
        if following is None or following.startswith("--") or following in self._own:
            raise UsageError(f"{flag} needs a value", hint=f"{flag}=VALUE")
        return self._args.pop(0)


def _is_stray(word: str, notes: list[str]) -> bool:
    if not word.strip():
        notes.append(
            "a blank argument was ignored; perhaps a space stands behind a backslash at a line's end"
        )
    elif word in ("...", "…"):
        notes.append(f"{word!r} was ignored; put the options here that it stands for")
    else:
        return False
    return True


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        terminal.say(f"note: {note}")


def _protect(values: Mapping[str, str]) -> None:
    """Keep credentials that were typed out of everything that this process prints, and out of `ps`."""
    literals = [value for key, value in values.items() if sounds_secret(key) and not has_marks(value)]
    if literals:
        from ..secrets import masking
        from .argv_memory import hide

        hide(literals)
        for literal in literals:
            masking.register(literal)


def _content(key: str, text: str) -> str:
    if text.startswith("@@"):
        return text[1:]
    if not text.startswith("@"):
        return text
    path = Path(text[1:]).expanduser()
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise MlxError(
            f"--{key}: cannot read {path}: {reason}", hint=f"--{key}=@@... if the value begins with an @"
        ) from error
    return content.removesuffix("\n").removesuffix("\r")
