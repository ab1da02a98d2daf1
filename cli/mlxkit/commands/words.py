"""Commands whose unknown options are words of theirs, and which no message repeats: they may hold a secret."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError
from .helptext import Command


class WordsCommand(Command):
    """Refuses a word with one dash that is no option, before the parser takes a letter in it for one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {name: option for option in self.get_params(ctx) for name in getattr(option, "opts", ())}
        is_value = False
        for word in args:
            if word == "--":
                break
            option = own.get(word)
            if not is_value and word.startswith("-") and not word.startswith("--") and word != "-":
                attached = own.get(word[:2])
                if option is None and (attached is None or getattr(attached, "is_flag", False)):
                    raise one_dash()
            is_value = not is_value and option is not None and not getattr(option, "is_flag", False)
        return super().parse_args(ctx, args)


def one_dash() -> UsageError:
    """Say that a word is no option, without the word."""
    return UsageError("an option with one dash is not known here", hint="--KEY=VALUE")
