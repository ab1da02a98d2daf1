"""MLflow's system metrics (CPU, memory, GPU) of a step, which MLflow itself only logs for runs that it started."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .steps import OpenRun


def started_monitor(run: OpenRun, *, wanted: bool | None) -> Any:
    """Return a running monitor that writes to a run, or None when none is wanted; None means as MLflow was told."""
    from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING

    if not (MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get() if wanted is None else wanted):
        return None
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run.run_id, resume_logging=run.was_monitored)
        monitor.start()
    except Exception as error:  # the metrics are a by-catch, and MLflow goes on without them too
        warnings.warn(f"system metrics are not logged: {error} (they need psutil)", stacklevel=2)
        return None
    run.was_monitored = True
    return monitor
