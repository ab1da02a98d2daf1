"""Run a file as `python FILE` would, with a session around it, and find the pipelines in it."""

from __future__ import annotations

import ast
import gc
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ..dataclass import dataclass
from ..errors import InterruptedRunError, MlxError, NotFoundError, UsageError, did_you_mean
from ..secrets.masking import mask_text
from ..stacks.protocols import RUN_FILE
from .bytecode import unsettled_bytecode_left_out
from .decorators import PIPELINES, Pipeline
from .dryrun import UnknownValueError
from .guests import serve_children, serve_guests
from .invocation import invocation_of
from .parameters import parse_flags
from .session import Session, use_session
from .signals import Terminated
from .tracebacks import is_internal, user_traceback

_TARGET = re.compile(r"^(?P<file>.+?)(?::(?P<name>[A-Za-z_]\w*))?$", re.DOTALL)
_SDKS = ("mlxkit", "zenml")


@dataclass(frozen=True)
class Target:
    """What `mlx run` was given: a file, and perhaps a pipeline in it."""

    file: Path
    pipeline: str | None

    @staticmethod
    def parse(text: str) -> Target:
        """Read FILE or FILE:PIPELINE; raises NotFoundError when there is no such file."""
        match = _TARGET.match(text)
        path = Path(text)
        name = None
        if match and match["name"] and not path.exists():
            path, name = Path(match["file"]), match["name"]
        if not path.exists():
            near = (
                did_you_mean(path.name, [item.name for item in path.parent.glob("*.py")])
                if path.parent.is_dir()
                else ""
            )
            raise NotFoundError(
                f"no file {str(path)!r}{near}", hint="mlx init --example writes one to start from"
            )
        if not path.is_file():
            raise UsageError(f"{path} is not a file")
        return Target(path, name)


class UserCodeError(MlxError):
    """The user's file raised outside of any step."""


@dataclass
class Source:
    """The file, compiled, and whether it speaks of pipelines at all."""

    path: Path
    code: CodeType
    has_pipelines: bool

    @staticmethod
    def read(path: Path) -> Source:
        """Compile the file; a syntax error is told with its line."""
        try:
            tree = ast.parse(path.read_bytes(), filename=str(path))
            return Source(
                path, compile(tree, str(path), "exec", dont_inherit=True), _speaks_of_pipelines(tree)
            )
        except SyntaxError as error:
            line = (error.text or "").strip()
            raise UserCodeError(
                f"{path}:{error.lineno}: {error.msg}" + (f": {line}" if line else "")
            ) from None
        except ValueError as error:  # null bytes
            raise UserCodeError(f"{path}: {error}") from None


def run_file(
    session: Session,
    target: Target,
    arguments: Sequence[str],
    *,
    words: Sequence[str] = (),
    loose: Sequence[str] = (),
) -> None:
    """Run what `mlx run` was given.

    FILE runs as `__main__` and the pipelines it calls are run; if it calls none and defines one, that one is called.
    FILE:NAME imports the file and calls just that pipeline. A file without pipelines is one tracked run.
    `arguments` came after `--`; `words` are those after FILE, which a plain script gets as its own, and `loose` those of
    them that are no parameter of a pipeline.
    """
    source = Source.read(target.file)
    session.invocation = session.invocation or invocation_of(session.options, target, arguments, words)
    is_script = not source.has_pipelines and target.pipeline is None
    if loose and not is_script:
        raise UsageError(
            f"{' '.join(loose)} after {target.file} is no parameter",
            hint=f"mlx run {target.file} --name value -- {' '.join(loose)}",
        )
    if is_script:
        flags = parse_flags(words)[0]
        given = {name for name, text in session.options.parameters.items() if flags.get(name) != text}
        given.update(session.options.config.parameters)
        if given:
            raise UsageError(
                f"{target.file} is a plain script and takes no parameter {', '.join(sorted(given))}",
                hint=f"mlx run {target.file} -- WORDS",
            )
        arguments = [*words, *arguments]
    try:
        with _as_program(target.file, arguments), unsettled_bytecode_left_out(), use_session(session):
            _run(session, target, source, is_script=is_script)
    except InterruptedRunError as stop:  # nobody above is to take it for a Ctrl-C that was not dealt with
        raise stop.said from None


def _run(session: Session, target: Target, source: Source, *, is_script: bool) -> None:
    if target.pipeline is not None:
        _call(_named(target.pipeline, _execute(source, target.file.stem), target.file))
    elif is_script:
        from .script import run_script

        run_script(session, target.file.stem, lambda: _execute(source, "__main__"))
    else:
        try:
            namespace = _execute(source, "__main__")
        except UnknownValueError as stop:  # only a dry run raises it: what could be planned is
            session.reporter.detail(stop.message)
            return
        if session.calls == 0:
            _call_the_only_one(session, source, namespace)


def _call_the_only_one(session: Session, source: Source, namespace: dict[str, Any]) -> None:
    own = _pipelines_of(namespace)
    if len(own) == 1:
        _call(own[0])
    elif own:
        names = ", ".join(item.name for item in own)
        raise UsageError(
            f"{source.path} defines several pipelines and calls none: {names}",
            hint=f"mlx run {source.path}:{_attribute(own[0], namespace)}",
        )
    elif session.options.parameters:
        raise UsageError(
            f"{source.path} has no pipeline that could take {', '.join(session.options.parameters)}",
            hint="pass arguments of a script after --",
        )


def _call(pipeline: Pipeline[Any, Any]) -> None:
    """Call a pipeline for the user; what its body raises is the user's own."""
    try:
        pipeline()
    except (MlxError, KeyboardInterrupt, SystemExit, Terminated):
        raise
    except BaseException as error:
        if is_internal(error):
            raise
        raise UserCodeError(
            f"pipeline {pipeline.name!r} raised {type(error).__name__}\n{mask_text(user_traceback(error))}"
        ) from error


def _named(name: str, namespace: dict[str, Any], file: Path) -> Pipeline[Any, Any]:
    found = namespace.get(name)
    if isinstance(found, Pipeline):
        return found
    by_name = {item.name: item for item in _pipelines_of(namespace)}
    if name in by_name:
        return by_name[name]
    what = "is not a pipeline" if found is not None else "is not defined"
    names = ", ".join(by_name) or "none"
    raise NotFoundError(f"{file}: {name!r} {what}{did_you_mean(name, by_name)}; pipelines there: {names}")


def _pipelines_of(namespace: dict[str, Any]) -> list[Pipeline[Any, Any]]:
    """Return the pipelines a file defines; imported ones count when it defines none."""
    here = list(dict.fromkeys(value for value in namespace.values() if isinstance(value, Pipeline)))
    own = [item for item in here if item.function.__module__ == namespace["__name__"]]
    return own or [item for item in here if item in PIPELINES]


def _attribute(pipeline: Pipeline[Any, Any], namespace: dict[str, Any]) -> str:
    return next((key for key, value in namespace.items() if value is pipeline), pipeline.name)


def _execute(source: Source, name: str) -> dict[str, Any]:
    """Execute the compiled file as a module of that name, which stays importable for pickling and tracebacks."""
    module = ModuleType(name)
    module.__file__ = str(source.path)
    module.__dict__["__builtins__"] = __builtins__
    module.__dict__[RUN_FILE] = True  # what it defines goes by value into models that are served elsewhere
    sys.modules[name] = module
    try:
        exec(source.code, module.__dict__)  # noqa: S102 - running the user's file is the job
    except (MlxError, KeyboardInterrupt, SystemExit, Terminated):
        raise
    except BaseException as error:
        if is_internal(error):
            raise
        raise UserCodeError(
            f"{source.path} raised {type(error).__name__}\n{mask_text(user_traceback(error))}"
        ) from error
    return module.__dict__


@contextmanager
def _as_program(file: Path, arguments: Sequence[str]) -> Iterator[None]:
    """Set argv, the import path and `__main__` as `python FILE ARGS` does; restore them afterwards."""
    argv, path, main = sys.argv, list(sys.path), sys.modules.get("__main__")
    sys.argv = [str(file), *arguments]
    sys.path.insert(0, str(file.resolve().parent))
    serve_guests()
    serve_children()
    gc.enable()
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path
        if main is not None:
            sys.modules["__main__"] = main


def _speaks_of_pipelines(tree: ast.Module) -> bool:
    """Say whether a file imports the SDK anywhere, and so may define or call pipelines."""
    for node in ast.walk(tree):
        names = (
            [item.name for item in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if any(name.partition(".")[0] in _SDKS for name in names):
            return True
    return False
