"""Any program as one tracked run: what it needs to log there is in its environment, and its exit status is the run's."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ..dataclass import dataclass
from ..errors import ExitCode, MlxError, did_you_mean
from ..runs.records import TRACKER_NAME, StepRecord
from ..runs.sweep import sweep
from ..secrets.children import with_secrets_of, without_secrets
from ..secrets.masking import mask_text
from ..secrets.references import Reference, find
from ..stacks.protocols import FinalStatus, StepFacts
from .body import new_id
from .scope import RunScope
from .session import Session

AUTH = "MLFLOW_TRACKING_AUTH"
LOG_LIMIT = 32 << 20  # characters of output that are kept
Way = Literal["auto", "plugin", "environment"]
_SIGNALS = ("SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM")


class CommandNotFoundError(MlxError):
    """There is no program of that name."""

    exit_code = ExitCode.command_not_found


class NotExecutableError(MlxError):
    """The file is there, and cannot be run as a program."""

    exit_code = ExitCode.not_executable


@dataclass(frozen=True)
class Program:
    """What to run: the words of the command, under which name, and how it gets at the tracker's credentials.

    `plugin` leaves them to mlxkit inside of the program, which looks them up itself with what unlocks their store;
    `environment` puts those of the tracker, and no others, into the program's environment; `auto` takes the plugin
    where the program is Python with this mlxkit and can look them up without anything from the environment.
    """

    command: Sequence[str]
    pipeline: str | None = None
    experiment: str | None = None
    credentials: Way = "auto"
    was_unlocked: bool = False

    @property
    def name(self) -> str:
        """The program's own name."""
        return Path(self.command[0]).name

    def locate(self) -> str:
        """Return the program's path; raises CommandNotFoundError or NotExecutableError, as a shell would."""
        word = self.command[0]
        found = shutil.which(word)
        if found:
            return found
        path = Path(word)
        if os.sep in word and path.exists():
            if path.is_dir():
                raise NotExecutableError(f"{word} is a folder")
            raise NotExecutableError(f"{word} is not executable", hint=f"chmod +x {shlex.quote(word)}")
        if os.sep not in word and path.is_file():
            raise CommandNotFoundError(
                f"no command {word!r}", hint=f"mlx exec -- ./{word}, for the file in this folder"
            )
        near = did_you_mean(word, _commands()) if os.sep not in word else ""
        raise CommandNotFoundError(f"no command {word!r}{near}")


class _Failed(Exception):
    """The program ended with a status other than 0."""


class _Killed(BaseException):
    """A signal ended the program."""


def run_program(session: Session, program: Program) -> int:
    """Run a program inside one run and return its exit status, 128 and its number for a signal, as shells do."""
    path = program.locate()
    tracker = session.forced_tracker or session.stack_tracker
    session.check([tracker] if tracker else [])
    sweep(session.history, session.tracker)
    ignored = [
        found for name in _SIGNALS if signal.getsignal(found := signal.Signals[name]) is signal.SIG_IGN
    ]
    scope = RunScope(
        session, program.pipeline or program.name, parameters={"command": mask_text(shlex.join(program.command))},
        name=session.options.name, kind="program",
    )  # fmt: skip
    record = StepRecord(
        id=new_id(), run_id=scope.record.id, name=program.name, position=0, status="failed", started=time.time(), ended=0.0,
        parameters=scope.record.parameters,
    )  # fmt: skip
    settings = {"experiment_name": program.experiment} if program.experiment else {}
    with scope:
        tracked: Any = None
        status: FinalStatus = "failed"
        error, code = "it was not started", 1
        scope.output.begin_step(program.name, 0)
        try:
            facts = StepFacts(program.name, record.id, settings=settings)
            with scope.tracking(tracker).step(facts) if tracker else nullcontext() as tracked:
                code = _run(session, program, path, tracker, scope, ignored)
                status, error = _outcome(code)
                if status != "completed":
                    raise _Failed if status == "failed" else _Killed
        except (_Failed, _Killed):
            pass
        except OSError as problem:
            raise NotExecutableError(
                f"{path} cannot be run: {problem.strerror}", hint=f"mlx exec -- sh {shlex.quote(path)}"
            ) from problem
        finally:
            metadata = {**tracked.metadata(), TRACKER_NAME: tracker} if tracked is not None else {}
            scope.records.append(
                replace(record, status=status, ended=time.time(), error=error, metadata=metadata)
            )
            session.history.record_step(scope.records[-1])
        scope.verdict = (status, error)
    return code if code >= 0 else 128 - code


def _run(
    session: Session,
    program: Program,
    path: str,
    tracker: str | None,
    scope: RunScope,
    ignored: list[signal.Signals],
) -> int:
    from .relay import run_child

    if sys.platform == "win32":
        raise MlxError("mlx exec needs the processes and terminals of a POSIX system")
    kept = _Kept(scope)
    environment = _environment(session, program, path, tracker)

    def tell(text: str) -> None:
        scope.output.note(f"mlx: {text}")
        session.reporter.detail(f"mlx: {text}")

    return run_child(path, program.command, environment, kept.write, ignored=ignored, tell=tell)


class _Kept:
    """The log of the run, which a program that prints without end must not fill the disk with."""

    def __init__(self, scope: RunScope) -> None:
        self._output = scope.output
        self._left = LOG_LIMIT

    def write(self, text: str) -> None:
        if self._left > 0:
            self._output.write(text[: self._left])
            self._left -= len(text)
            if self._left <= 0:
                self._output.write("\n[mlx: the rest of the output is not kept]\n")


def _outcome(code: int) -> tuple[FinalStatus, str]:
    if code == 0:
        return "completed", ""
    if code > 0:
        return "failed", f"exit status {code}"
    try:
        return "killed", f"ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return "killed", f"ended by signal {-code}"


def _environment(session: Session, program: Program, path: str, tracker: str | None) -> Mapping[str, str]:
    """Return what the program gets: our environment, with the tracker in it, and no secret of mlx but the tracker's own."""
    mine = dict(os.environ)
    clean = without_secrets(mine)
    if program.credentials == "plugin" and tracker:
        return with_secrets_of(_references(session, tracker), session.secrets, mine)
    if tracker is None or AUTH not in mine:
        return clean
    needs_nothing = clean == mine and not program.was_unlocked
    if program.credentials == "auto" and needs_nothing and _has_this_mlxkit(path):
        return clean
    made = session.tracker(tracker)
    if not hasattr(made, "environment"):
        return clean
    del clean[AUTH]
    return {**clean, **{name: value.reveal() for name, value in made.environment().secrets.items()}}


def _references(session: Session, tracker: str) -> list[Reference]:
    """Return the references to secrets in a tracker's attributes."""
    from ..stacks.attributes import texts
    from ..stacks.components import ComponentService

    attributes = ComponentService(session.project).get("experiment_tracker", tracker).attributes
    return [reference for _, text in texts(attributes) for reference in find(text)]


def _has_this_mlxkit(path: str) -> bool:
    """Say whether a program is this Python, or a script that names this Python as what runs it."""
    here = Path(sys.executable).absolute().parent
    file = Path(path).absolute()
    if file.parent == here and file.name.startswith("python"):
        return True
    try:
        with file.open("rb") as script:
            first = script.readline(512)
    except OSError:
        return False
    return first.startswith(f"#!{here}{os.sep}python".encode())


def _commands() -> list[str]:
    found: list[str] = []
    for folder in os.get_exec_path():
        try:
            found += os.listdir(folder)  # noqa: PTH208  names are all that is needed
        except OSError:
            continue
    return found
