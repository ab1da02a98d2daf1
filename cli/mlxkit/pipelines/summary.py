"""A run as a section of Markdown, for the summary of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..runs.records import RunRecord, StepRecord
from ..secrets.masking import mask_text

_SHOWN = 200  # rows; a summary may have 1 MiB


def append_summary(
    path: str,
    run: RunRecord,
    steps: Sequence[StepRecord],
    metrics: Mapping[str, float],
    links: Mapping[str, str],
) -> None:
    """Append a run to a file; one that is missing is made, and one that cannot be written is left alone."""
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(mask_text(summary_of_run(run, steps, metrics, links)))
    except OSError:
        pass


def summary_of_run(
    run: RunRecord, steps: Sequence[StepRecord], metrics: Mapping[str, float], links: Mapping[str, str]
) -> str:
    """Return the section: the run, its steps with time and reason, its metrics, where it is tracked."""
    facts = [
        ("Stack", run.stack),
        ("Status", run.status),
        ("Time", f"{run.duration or 0:.1f}s"),
        ("Run", run.id),
    ]
    parts = [f"## {_text(run.name)}\n", _table(("", ""), facts)]
    address = links.get("tracker", "").partition(" ")[0]
    if address:
        parts.append(f"[The run on its tracker]({address})\n")
    if run.error:
        parts.append("".join(f"    {line}\n" for line in run.error.splitlines()[-20:]))
    if steps:
        rows = [(step.name, step.status, f"{step.duration:.2f}s", step.reason) for step in steps[:_SHOWN]]
        parts.append(_table(("Step", "Status", "Time", "Why"), rows) + _more(len(steps)))
    if metrics:
        values = [(key, f"{value:.6g}") for key, value in sorted(metrics.items())[:_SHOWN]]
        parts.append(_table(("Metric", "Value"), values) + _more(len(metrics)))
    return "\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_text(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _more(count: int) -> str:
    return f"\n{count - _SHOWN} more\n" if count > _SHOWN else ""


def _text(value: str) -> str:
    """Return a text that Markdown leaves as it is, on one line."""
    plain = " ".join(value.split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{mark}" if mark in "\\`*_[]|#~" else mark for mark in plain)
