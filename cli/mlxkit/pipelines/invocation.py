"""What a run was told, as its record keeps it, so that it can be told the same again."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dataclass import dataclass
from .masked import INVOCATION, masked_words

if TYPE_CHECKING:
    from .loader import Target
    from .session import RunOptions, Session

KEY = INVOCATION
RERUN_OF = "rerun_of"
_OURS = Path(__file__).resolve().parent.parent
_INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Repeat:
    """A run that is done again: which one, and the root and the code record that the new one goes by.

    `call` says which of the runs that its file makes it was. `made` collects the new runs, by pipeline and call.
    """

    of: str
    pipeline: str
    call: int
    root: Path
    code: Mapping[str, Any]
    made: dict[tuple[str, int], str] = field(default_factory=dict)

    def is_of(self, pipeline: str, call: int) -> bool:
        """Say whether a run is the one that is done again, and not another that its file makes."""
        return (pipeline, call) == (self.pipeline, self.call)


def invocation_of(
    options: RunOptions, target: Target, arguments: Sequence[str], words: Sequence[str]
) -> dict[str, Any]:
    """Return what `mlx run` was told; a value that is known as a secret is masked, and `is_masked` says so."""
    told = {
        "file": str(target.file.resolve()),
        "given": str(target.file),
        "pipeline": target.pipeline,
        "cwd": str(Path.cwd()),
        "words": list(words),
        "arguments": list(arguments),
        "parameters": {name: text.value for name, text in options.parameters.items()},
        "stack": options.stack,
        "tracker": options.tracker,
        "use_cache": options.use_cache,
        "workers": options.workers,
        "config": options.config.text,
    }
    return masked_words(told)


def invocation_of_program() -> dict[str, Any] | None:
    """Return the same for a file that was started as `python FILE`; None for a notebook, a prompt or a test runner."""
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    if not name or not sys.argv:
        return None
    file = Path(name)
    if not file.is_file() or file.suffix != ".py" or any(part in _INSTALLED for part in file.resolve().parts):
        return None
    is_ours = file.resolve().is_relative_to(_OURS)
    if (
        is_ours or file.resolve() != Path(sys.argv[0]).resolve()
    ):  # `python -m`, or what runs it in its own way
        return None
    told: dict[str, Any] = {
        "file": str(file.resolve()), "given": str(file), "pipeline": None, "cwd": str(Path.cwd()), "words": [],
        "arguments": sys.argv[1:], "parameters": {}, "stack": None, "tracker": None, "use_cache": True, "workers": None, "config": "",
    }  # fmt: skip
    return masked_words(told)


def metadata_of(session: Session, pipeline: str, root: Path) -> dict[str, Any]:
    """Return what a record says of how its run was started, and of which one it repeats."""
    repeat, told = session.options.repeat, session.invocation or invocation_of_program()
    found: dict[str, Any] = {}
    if told is not None:
        found[KEY] = {"root": str(root), **told, "call": session.calls}
    if repeat is not None and repeat.is_of(pipeline, session.calls):
        found[RERUN_OF] = repeat.of
    return found
