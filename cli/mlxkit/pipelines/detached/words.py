"""The command line of a job: everybody on the cluster can read it, so it is refused with a secret in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...config.yamltext import load_yaml
from ...dataclass import dataclass
from ...errors import ConfigError, UsageError
from ...secrets.masking import mask_text
from ...stacks.addresses import is_secret
from ..loader import Target
from ..parameters import Text
from .job import RUN, STATE

_PARTS = re.compile(r"[;&?,\s]+")
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


def refuse_secrets(
    line: str, parameters: Mapping[str, Text], words: Sequence[str] = (), config: str = ""
) -> None:
    """Raise UsageError for a known secret in the command line, and for what is one by its name or its address.

    `words` are what else the user said, `config` is the text of run.yaml, which travels.
    """
    if mask_text(line) != line:
        raise UsageError(
            "a secret is among the words of the command, which everybody on the cluster could read",
            hint=_HINT,
        )
    for name, text in parameters.items():
        _refuse(f"parameter {name}", _pairs(name, text.value or ""))
    for before, word in zip(("", *words), words, strict=False):
        is_value = before.startswith("--") and "=" not in before and not word.startswith("--")
        name = before if is_value else ""
        _refuse(f"what {name or 'a word of the command'} says", _pairs(name.lstrip("-"), word))
    _refuse("a value of run.yaml", _leaves("", load_yaml(config, what="run.yaml")) if config else ())


def _refuse(what: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Refuse names and values, one of which is a secret; of the values nothing is said."""
    for name, value in pairs:
        if is_secret(name, value):
            named = f" ({name})" if name and not what.endswith(f" {name}") and name.isprintable() else ""
            raise UsageError(
                f"{what}{named} looks like a secret, and everybody on the cluster could read it", hint=_HINT
            )


def _pairs(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield a value with its name, and what it consists of: `a=b;c=d`, or a map."""
    yield name, text
    if text.startswith(("{", "[")):
        try:
            yield from _leaves(name, load_yaml(text, what=name))
        except ConfigError:  # it only looks like one
            return
    for part in _PARTS.split(text):
        inner, mark, value = part.partition("=")
        if mark and not inner.endswith(("=", "!", "<", ">")):
            yield inner.lstrip("-"), value


def _leaves(name: str, data: Any) -> Iterator[tuple[str, str]]:
    """Yield what is inside of maps and lists, by the name of the map's key."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _leaves(str(key), value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _leaves(name, value)
    elif data is not None and not isinstance(data, bool):
        yield name, str(data)


def _below(path: Path, root: Path, folder: Path) -> str:
    """Return a file by its path from the folder that the job starts in."""
    resolved = path.resolve()
    if not resolved.is_relative_to(root):
        raise UsageError(f"{path} is not below {root}, and only what is travels to the cluster")
    ups = [".."] * len(folder.parts)
    inside = resolved.relative_to(root)
    return str(inside.relative_to(folder) if inside.is_relative_to(folder) else Path(*ups, inside))
