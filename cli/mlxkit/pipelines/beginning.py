"""What is written down of a run before its first step: its name, its code, what it was told."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..dataclass import dataclass
from ..records import plain
from ..runs.code import capture_code
from ..runs.records import RunRecord
from ..runs.sources import SourceKeeper
from ..runs.tagging import checked, settled
from .body import new_id
from .invocation import KEY, metadata_of
from .masked import masked_run
from .session import Session


@dataclass(frozen=True)
class Beginning:
    """A run that is about to begin: its record, the folder of its project, and who keeps its sources (None: nobody)."""

    record: RunRecord
    root: Path
    sources: SourceKeeper | None


def begin(
    session: Session,
    pipeline: str,
    *,
    parameters: Mapping[str, Any],
    name: str | None = None,
    kind: str = "pipeline",
    tags: Sequence[str] = (),
) -> Beginning:
    """Make the record of a run; nothing of it is in history yet."""
    file, root, repeat = session.options.file, project_root(session), session.options.repeat
    told = settled([*tags, *(checked(tag) for tag in session.options.tags)])
    job = session.job
    code = dict(repeat.code) if repeat else dict(job.code) if job else _code(root, file)
    metadata = {**metadata_of(session, pipeline, root), **(job.place.noted() if job else {})}
    used = Path(metadata[KEY]["file"]) if KEY in metadata else file
    sources = None if repeat or job else SourceKeeper(session.state_dir, root, used, code)
    record = masked_run(RunRecord(
        id=job.place.run if job and not session.made else new_id(), name=name or f"{pipeline}-{datetime.now():%Y_%m_%d-%H_%M_%S_%f}", pipeline=pipeline, stack=session.stack.name,
        status="running", started=time.time(), kind=kind, file=_relative(file, root), parameters=plain(dict(parameters)),
        code={**code, **sources.keep()} if sources else code, metadata=metadata, tags=tuple(told),
    ))  # fmt: skip
    if repeat:
        repeat.made[pipeline, session.calls] = record.id
    return Beginning(record, root, sources)


def project_root(session: Session) -> Path:
    """Return the folder whose functions belong to the project: that of mlx.yaml when the file lies in it, else the file's own."""
    if session.options.repeat is not None:
        return session.options.repeat.root
    home = session.project.config_path.parent.resolve()
    file = session.options.file
    folder = file.resolve().parent if file else Path.cwd()
    if session.project.origin != "user" and folder.is_relative_to(home):
        return home
    return folder


def _relative(file: Path | None, root: Path) -> str:
    if file is None:
        return ""
    resolved = file.resolve()
    return str(resolved.relative_to(root)) if resolved.is_relative_to(root) else str(resolved)


def _code(root: Path, file: Path | None) -> dict[str, Any]:
    code = dict(capture_code(root))
    if file is not None and file.is_file():
        code["digest"] = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    return code
