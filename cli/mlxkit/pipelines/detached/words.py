"""The command line of a job: everybody on the cluster can read it, so it is refused with a secret in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError
from ...secrets.masking import mask_text
from ..loader import Target
from ..parameters import Text
from .job import RUN, STATE

_SECRET = re.compile(
    r"passw(or)?d|passphrase|pwd|secret|credentials?|(api|access|account|private|signing)_?key", re.IGNORECASE
)
_TOKEN = re.compile(r"(^|_)token$", re.IGNORECASE)
_SHORT = 8  # characters: `pad_token=<pad>` is none
_HINT = "keep it in a secret that the cluster resolves: <<name.key>> in mlx.yaml, or mlxkit.Client().secrets"


@dataclass(frozen=True)
class Words:
    """What `mlx run --detach` was told, to be told again to the `mlx run` of the job."""

    target: Target
    tracker: str | None = None
    config: Path | None = None
    name: str | None = None
    tags: Sequence[str] = ()
    use_cache: bool = True
    workers: str | None = None
    parameters: Sequence[str] = ()
    extra: Sequence[str] = ()
    passed: Sequence[str] = ()

    def line(self, root: Path, stack: str, run_id: str, state_dir: Path | None) -> str:
        """Return the command line for a shell in the folder that `root` is on the cluster.

        Raises UsageError for a file that does not travel, because it is not below the root.
        """
        here = Path.cwd().resolve()
        folder = here.relative_to(root) if here.is_relative_to(root) else Path()
        file = _below(self.target.file, root, folder)
        argv = ["run", file + (f":{self.target.pipeline}" if self.target.pipeline else ""), "--stack", stack]
        for option, value in (
            ("--tracker", self.tracker),
            ("--name", self.name),
            ("--workers", self.workers),
        ):
            argv += [option, value] if value is not None else []
        if self.config is not None:
            argv += ["--config", _below(self.config, root, folder)]
        for tag in self.tags:
            argv += ["--tag", tag]
        for pair in self.parameters:
            argv += ["-p", pair]
        argv += [*(["--no-cache"] if not self.use_cache else []), "--no-progress", *self.extra]
        argv += ["--", *self.passed] if self.passed else []
        variables = [f"{RUN}={run_id}", *([f"{STATE}={shlex.quote(str(state_dir))}"] if state_dir else [])]
        start = f"cd {shlex.quote(str(folder))} && " if folder != Path() else ""
        return f"{start}{' '.join(variables)} python -m mlxkit {shlex.join(argv)}"


def refuse_secrets(line: str, parameters: Mapping[str, Text]) -> None:
    """Raise UsageError for a word that is a known secret, or a parameter that is one by its name."""
    if mask_text(line) != line:
        raise UsageError(
            "a secret is among the words of the command, which everybody on the cluster could read",
            hint=_HINT,
        )
    for name, text in parameters.items():
        value = text.value or ""
        if value and (_SECRET.search(name) or (_TOKEN.search(name) and len(value) >= _SHORT)):
            raise UsageError(
                f"parameter {name} looks like a secret, and everybody on the cluster could read it",
                hint=_HINT,
            )


def _below(path: Path, root: Path, folder: Path) -> str:
    """Return a file by its path from the folder that the job starts in."""
    resolved = path.resolve()
    if not resolved.is_relative_to(root):
        raise UsageError(f"{path} is not below {root}, and only what is travels to the cluster")
    ups = [".."] * len(folder.parts)
    inside = resolved.relative_to(root)
    return str(inside.relative_to(folder) if inside.is_relative_to(folder) else Path(*ups, inside))
