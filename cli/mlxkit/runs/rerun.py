"""A run done again as it was: its code laid out, its words said again, its environment held against this one."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.paths import Project
from ..dataclass import dataclass
from ..errors import ConfigError, MlxError, NotFoundError, UsageError
from ..pipelines.invocation import KEY, Repeat
from ..records import Record
from .environment import capture_environment, flat
from .queries import RunQueries
from .records import RunRecord
from .rerun_result import RerunResult, compare_runs
from .rerun_tree import CodePlan, Tree, laid_out, notes_on, plan_code
from .sources import own_modules

if TYPE_CHECKING:
    from ..pipelines.reporting import Reporter


class OtherEnvironmentError(ConfigError):
    """The environment is not the one that a run was made in."""


@dataclass(frozen=True)
class Changed(Record):
    """Something of the environment that is not as it was; None where it was, or is, not there."""

    name: str
    before: str | None
    now: str | None


@dataclass(frozen=True)
class RerunPlan(Record):
    """What a rerun would do."""

    run: str
    name: str
    code: str
    command: str
    folder: str
    stack: str
    environment: tuple[Changed, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rerun:
    """One run that can be done again."""

    project: Project
    queries: RunQueries
    run: RunRecord
    told: Mapping[str, Any]
    code: CodePlan
    changed: tuple[Changed, ...] = field(default=())

    @classmethod
    def of(cls, project: Project, queries: RunQueries, reference: str) -> Rerun:
        """Find a run and everything that is needed to do it again, or raise with what is missing."""
        run = queries.get(reference)
        told = run.metadata.get(KEY)
        if not isinstance(told, dict):
            raise UsageError(
                f"run {run.id} was not started from a file that is known, so it cannot be told again",
                hint=f"mlx runs describe {run.id}",
            )
        if told.get("is_masked"):
            raise UsageError(
                f"run {run.id} was given a secret in its words, which is not kept", hint="mlx run FILE ..."
            )
        code = plan_code(run, project.state_dir.parent)
        if not Path(told["file"]).is_relative_to(code.base):
            raise NotFoundError(f"{told['file']} lies outside of {code.base}, whose code was recorded")
        return cls(
            project, queries, run, told, code, _changed(queries.environment(run), Path(told["file"]).parent)
        )

    def plan(self, stack: str | None) -> RerunPlan:
        """Say what would be done."""
        told = self.told
        words = [*_flags(told), *told["words"], *(["--", *told["arguments"]] if told["arguments"] else [])]
        target = told["given"] + (f":{told['pipeline']}" if told["pipeline"] else "")
        return RerunPlan(
            self.run.id, self.run.name, self.code.described(), " ".join(["mlx run", target, *words]), told["cwd"],
            stack or self.run.stack, self.changed, self.code.notes,
        )  # fmt: skip

    def check_environment(self) -> None:
        """Raise OtherEnvironmentError when anything is not as it was."""
        if self.changed:
            raise OtherEnvironmentError(
                f"the environment is not that of run {self.run.id}: {'; '.join(map(said, self.changed))}",
                hint="install what it had, or leave out --same-env",
            )

    def execute(
        self, *, stack: str | None, use_cache: bool, reporter: Reporter, say: Callable[[str], None]
    ) -> tuple[RerunResult, MlxError | None]:
        """Do it again, and compare; what the run itself failed with comes back beside the result."""
        from ..pipelines.loader import Target, run_file
        from ..pipelines.parameters import Text, parse_flags
        from ..pipelines.runconfig import RunConfig, parse_run_config
        from ..pipelines.session import RunOptions, Session
        from ..pipelines.signals import SignalGuard, Terminated

        told, failure = self.told, None
        try:
            with SignalGuard(), laid_out(self.code, self.project.state_dir) as tree:
                for note in notes_on(self.code, tree.root):
                    say(note)
                with self._in(tree) as file:
                    repeat = Repeat(self.run.id, self.run.pipeline, int(told.get("call", 1)), tree.at(Path(told["root"])), self.run.code)  # fmt: skip
                    options = RunOptions(
                        stack=stack or self.run.stack, tracker=told["tracker"], file=file, use_cache=use_cache, repeat=repeat, workers=told.get("workers"),
                        parameters={name: Text(value) for name, value in told["parameters"].items()},
                        config=parse_run_config(told["config"], "the recorded run.yaml") if told["config"] else RunConfig(),
                    )  # fmt: skip
                    session = Session(options, project=self.project, reporter=reporter)
                    session.invocation = {name: item for name, item in told.items() if name != "call"}
                    try:
                        run_file(
                            session, Target(file, told["pipeline"]), told["arguments"],
                            words=told["words"], loose=parse_flags(told["words"])[1],
                        )  # fmt: skip
                    except MlxError as error:
                        if not repeat.made:
                            raise
                        failure = error
                    for line in self._afterwards(tree):  # while a relative path means one in the tree
                        say(line)
        except Terminated:
            raise SystemExit(143) from None
        made = repeat.made.get((repeat.pipeline, repeat.call))
        if made is None:
            raise failure or MlxError(f"the file did not call pipeline {self.run.pipeline!r} this time")
        return compare_runs(self.queries, self.run.id, made), failure

    @contextmanager
    def _in(self, tree: Tree) -> Iterator[Path]:
        """Stand where the run stood: working directory, import path and configuration; gives the file as it was written."""
        told, before, path = self.told, Path.cwd(), list(sys.path)
        file, folder = tree.at(Path(told["file"])), tree.at(Path(told["cwd"]))
        if not file.is_file():
            raise NotFoundError(f"{told['file']} is not in {self.code.described()} of run {self.run.id}")
        inside = folder.is_relative_to(tree.root)
        if inside:
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise NotFoundError(
                f"the run was started in {folder}, which is gone", hint=f"mkdir -p {shlex.quote(str(folder))}"
            )
        named = os.environ.get("MLX_CONFIG")
        os.environ["MLX_CONFIG"] = str(self.project.config_path)  # also for what looks from inside the tree
        sys.path[:] = [str(tree.at(Path(item))) if _is_code(item, tree.base) else item for item in sys.path]
        os.chdir(folder)
        try:
            yield Path(os.path.relpath(file)) if inside and not Path(told["given"]).is_absolute() else file
        finally:
            os.chdir(before)
            sys.path[:] = path
            if named is None:
                os.environ.pop("MLX_CONFIG", None)
            else:
                os.environ["MLX_CONFIG"] = named

    def _afterwards(self, tree: Tree) -> Iterator[str]:
        """Yield what kept this from being the run as it was."""
        for name in own_modules(tree.base, self.project.state_dir):
            yield f"{name} was imported from {tree.base} as it is now: the run did not keep it"
        for name in tree.data.changed():
            yield f"the rerun wrote to {name}, which is linked to, not copied"
        if tree.data.left_out:
            yield f"{tree.data.left_out} data files were left out"


def said(change: Changed) -> str:
    """Say one difference of the environment in words."""
    if change.before is None:
        return f"{change.name} {change.now} was not installed"
    if change.now is None:
        return f"{change.name} {change.before} is missing"
    return f"{change.name} was {change.before}, is {change.now}"


def _changed(recorded: Mapping[str, Any], folder: Path) -> tuple[Changed, ...]:
    """Return what is not as it was; the folder of the run's file was on the import path then."""
    sys.path.insert(0, str(folder))
    try:
        now = flat(capture_environment())
    finally:
        sys.path.remove(str(folder))
    before = flat(recorded)
    names = [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name)]
    return tuple(Changed(name, before.get(name), now.get(name)) for name in names) if before else ()


def _is_code(entry: str, base: Path) -> bool:
    """Say whether an entry of the import path is a folder of the project: an editable install is one."""
    path = Path(entry or os.curdir).absolute()
    return path.is_relative_to(base) and not {"site-packages", "dist-packages"} & set(path.parts)


def _flags(told: Mapping[str, Any]) -> list[str]:
    found = []
    for name, value in told["parameters"].items():
        option = f"--{name}"
        if option not in told["words"] and not any(word.startswith(f"{option}=") for word in told["words"]):
            found += ["-p", f"{name}={value}"]
    found += ["--tracker", told["tracker"]] if told["tracker"] else []
    return [*found, *(["--config", "(as recorded)"] if told["config"] else [])]
