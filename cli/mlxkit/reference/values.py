"""What the value of an argument or option is, so that the shell can offer some: one word, or `choice:` and the choices.

The word is a kind of name (`stack`, `component:experiment_tracker`, `run`, ...), `file`, or empty for any text.
"""

from __future__ import annotations

from ..config.kinds import KINDS

_STAGES = "choice:staging production archived"
_BY_METAVAR = {
    "FILE": "file",
    "FILE[:PIPELINE]": "pipeline_file",
    "PATH": "file",
    "FOLDER": "folder",
    "DIR": "folder",
    "RUN": "run",
    "NAME[:VERSION|@ALIAS]": "model_version",
    "DEPLOYMENT": "deployment",
    "VERSION": "model_version",
    "ARTIFACT": "artifact",
    "ATTRIBUTE": "attribute",
    "COMMAND": "file",
    "SECRET": "secret",
    "PROVIDER": "choice:local docker kubernetes",
    "STAGE": _STAGES,
    "STATUS": "choice:running completed failed killed interrupted",
    "REFERENCE": "reference",
    "SHELL": "choice:bash zsh fish powershell",
    "KIND": "choice:" + " ".join(kind.command for kind in KINDS.values()),
    "TOPIC": "topic",
}
_BY_OPTION = {
    "--stack": "stack",
    "--tracker": "component:experiment_tracker",
    "--pipeline": "pipeline",
    "--run": "run",
    "--secret": "secret",
    "--deployment": "deployment",
}
# By our command and by ZenML's.
_OF_KIND = {
    command: f"component:{kind.name}"
    for kind in KINDS.values()
    for command in (kind.command, kind.name.replace("_", "-"))
}
_STACK_FLAGS = {flag: f"component:{kind.name}" for kind in KINDS.values() for flag in kind.stack_flag}
# What NAME is in each group; it is a new name, which nothing can complete, to the commands of `_NEW`.
_OF_GROUP = {
    **_OF_KIND,
    "stack": "stack",
    "secret": "secret",
    "model": "model",
    "deployment": "deployment",
    "pipeline": "pipeline",
    "runs": "run",
}
_NEW = {("stack", "register"), ("secret", "create"), *((command, "register") for command in _OF_KIND)}
_NEW |= {(command, "deploy") for command in _OF_KIND}


def of_option(path: tuple[str, ...], spellings: tuple[str, ...], metavar: str) -> str:
    """Say what the value of an option is."""
    command = path[0] if path else ""
    if "--flavor" in spellings:
        return f"flavor:{_OF_KIND[command].partition(':')[2]}" if command in _OF_KIND else "flavor:"
    for spelling in spellings:
        if spelling in _BY_OPTION:
            return _BY_OPTION[spelling]
        if command == "stack" and spelling in _STACK_FLAGS and metavar == "NAME":
            return _STACK_FLAGS[spelling]
    if command == "secret" and metavar == "KEY":
        return "secret_key"
    return _BY_METAVAR.get(_bare(metavar), "")


def of_argument(path: tuple[str, ...], metavar: str) -> str:
    """Say what an argument is."""
    bare = _bare(metavar)
    if path[:1] == ("artifact",) and bare in ("A", "B"):
        return "artifact"
    if bare == "FLAVOR":
        return "flavor:"
    if bare.startswith("NAME [--KEY"):
        bare = "NAME"
    if bare == "KEY" and path[:1] == ("secret",):
        return "secret_key"
    if bare == "NAME" and path:
        return "" if path[:2] in _NEW else _OF_GROUP.get(path[0], "")
    return _BY_METAVAR.get(bare, "")


def _bare(metavar: str) -> str:
    """Take the marks of what may be left out or repeated off: `[RUN]...` is RUN."""
    text = metavar.removesuffix("...").strip()
    if text.startswith(("[", "{")) and text.endswith(("]", "}")):
        text = text[1:-1]
    return text.removesuffix("...").strip()
