"""How many steps a run may have: as many as the last one of its pipeline that came to its end."""

from __future__ import annotations

from ..runs.history import History


def steps_last_time(history: History, pipeline: str) -> int | None:
    """Return the number of steps of the last completed run of a pipeline, or None when there is none."""
    row = history.connection.execute(
        "SELECT COUNT(*) AS total FROM steps WHERE run_id = "
        "(SELECT id FROM runs WHERE pipeline = ? AND status = 'completed' ORDER BY started DESC LIMIT 1)",
        (pipeline,),
    ).fetchone()
    return int(row["total"]) or None
