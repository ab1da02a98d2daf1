"""The picture of a run among the files that its tracker keeps of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..runs.records import TRACKER_LINK, RunRecord, StepRecord
from ..secrets.masking import mask_text
from ..stacks.protocols import RunTracking

NAME = "mlx/graph.html"
SWITCH = "MLX_GRAPH"


def attach_graph(
    run: RunRecord,
    steps: Sequence[StepRecord],
    trackings: Mapping[str, RunTracking],
    state_dir: Path,
    detail: Callable[[str], None],
) -> None:
    """Put the graph of a pipeline run that is about to end on each of its trackers; whatever goes wrong is a detail.

    A run that nothing was logged to has no page, a script has no graph, and `MLX_GRAPH=0` leaves it out.
    """
    if (
        run.kind != "pipeline"
        or not _is_wanted()
        or not any(step.metadata.get(TRACKER_LINK) for step in steps)
    ):
        return
    try:
        content = _page(run, steps, state_dir)
    except Exception as problem:
        detail(mask_text(f"the graph of the run could not be drawn: {problem!r}"))
        return
    for name, tracking in trackings.items():
        try:
            tracking.attach(NAME, content)
        except Exception as problem:
            detail(mask_text(f"tracker {name!r} did not take {NAME}: {problem}"))


def _page(run: RunRecord, steps: Sequence[StepRecord], state_dir: Path) -> bytes:
    from ..runs.graph import graph_of
    from ..runs.graph_logs import log_tails
    from ..runs.graph_page import page

    graph = graph_of(run, steps)
    return page(graph, logs=log_tails(state_dir, graph)).encode("utf-8", "replace")


def _is_wanted() -> bool:
    return os.environ.get(SWITCH, "").strip().lower() not in ("0", "false", "no", "off")
