"""`mlx run --detach`: the run is handed to the cluster of the stack's orchestrator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import terminal
from .terminal import Format

if TYPE_CHECKING:
    from ..pipelines.loader import Target
    from ..pipelines.session import RunOptions


def run_detached(
    options: RunOptions,
    target: Target,
    config: Path | None,
    parameters: Sequence[str],
    extra: Sequence[str],
    passed: Sequence[str],
    output: Format,
) -> None:
    """Submit a run, or with --dry-run say what would be submitted; the run's id is the data."""
    from ..deployments.sizes import size_text
    from ..pipelines.detached.submission import Submitter
    from ..pipelines.detached.words import Words
    from ..pipelines.session import Session

    session = Session(options)
    words = Words(
        target=target, tracker=session.options.tracker, config=config, name=options.name, tags=options.tags,
        use_cache=options.use_cache, workers=options.workers, parameters=parameters, extra=extra, passed=passed,
    )  # fmt: skip
    submitter = Submitter(session, words)
    told = submitter.told
    if submitter.jobs.warning:
        terminal.say(submitter.jobs.warning)
    if told.references:
        terminal.say(f"the cluster has to resolve {', '.join(told.references)}")
    if options.is_dry:
        terminal.emit_one(told, output)
        return
    submitter.submit()
    terminal.say(
        f"run {told.name} submitted to {told.address} as job {told.job}: {told.files} files, {size_text(told.size)}"
    )
    terminal.say(f"  follow: mlx runs logs {told.run} -f")
    if output in (Format.table, Format.name):
        terminal.out(told.run)
    else:
        terminal.emit_one(told, output)
