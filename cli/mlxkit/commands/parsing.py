"""What the parser of the command line has to say, in our words."""

from __future__ import annotations

import re
from typing import Any

from ..errors import UsageError, did_you_mean

_CHOICES = re.compile(r"'(?P<value>[^']*)' is not one of (?P<choices>'.*')\.?$")


def usage_error(error: Any) -> UsageError:
    """Return a usage error of the parser as ours: what was meant, and where the help is."""
    ctx = getattr(error, "ctx", None)
    return UsageError(_message(error), hint=f"{ctx.command_path} --help" if ctx is not None else None)


def _message(error: Any) -> str:
    option = getattr(error, "option_name", None)
    if isinstance(option, str) and option and hasattr(error, "possibilities"):
        return f"no such option: {option}{did_you_mean(option, _options_of(error))}"
    said = str(error.format_message())
    wrong = _CHOICES.search(said)
    near = did_you_mean(wrong["value"], re.findall(r"'([^']*)'", wrong["choices"])) if wrong else ""
    return (said[:1].lower() + said[1:]).rstrip(".") + near


def _options_of(error: Any) -> list[str]:
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return list(error.possibilities or ())
    return [
        name
        for parameter in ctx.command.get_params(ctx)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("-")  # those of an argument are names of ours
    ]
