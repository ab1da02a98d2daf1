"""Words on stderr in a job of GitHub Actions, whose runner takes lines of it for commands.

Names, paths and exceptions hold what others wrote. A run stops the runner from obeying for its time (pipelines/
actions.py); the words before and after it, such as the error that it ends with, are written so that they are no
commands.

Sources: "Workflow commands for GitHub Actions" in GitHub's documentation, and the runner's parser, which takes
`::name::` at the beginning of a line and, for older actions, `##[name]` anywhere in it.
"""

from __future__ import annotations

import re

_COMMAND = re.compile(r"##(?=\[)|(?:\A|(?<=[\r\n]))\s*:(?=:)")


def unobeyed(text: str) -> str:
    """Return a text with a blank in the middle of what would begin a command."""
    return _COMMAND.sub(lambda match: f"{match[0]} ", text)


def unobeyed_json(text: str) -> str:
    """Return JSON of the same meaning in which no command begins."""
    return text.replace("##[", "##\\u005b")
