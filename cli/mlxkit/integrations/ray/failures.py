"""What Ray raises for work that did not come back, in our words."""

from __future__ import annotations

from typing import Any

from ...errors import ConfigError, MlxError, UnreachableError, UsageError
from ...stacks.executors import CancelledWorkError, WorkerLostError

# The names of Ray's exceptions that mean: nobody knows how far the work came, and another worker may do it.
_LOST = {
    "WorkerCrashedError": "its worker process died",
    "NodeDiedError": "its node died",
    "LocalRayletDiedError": "Ray's process on its node died",
    "OutOfMemoryError": "its node ran out of memory, and Ray killed the worker",
    "OutOfDiskError": "its node ran out of disk",
    "ObjectStoreFullError": "the object store of its node is full",
    "OwnerDiedError": "its node lost what the work needs",
    "ObjectLostError": "its node lost what the work needs",
    "ObjectFetchTimedOutError": "its node could not fetch what the work needs",
    "ObjectReconstructionFailedError": "its node lost what the work needs",
    "ReferenceCountingAssertionError": "its node lost what the work needs",
}
_NO_CONNECTION = ("closed channel", "Client is not connected", "is disconnected")
_HEAD = "the head of the cluster does not answer any more"


def said(error: BaseException, label: str, where: str) -> MlxError:
    """Return what a failed Ray task means for the work in it; what work itself raises never comes this way."""
    if isinstance(error, MlxError):
        return error
    kind = type(error).__name__
    names = {base.__name__ for base in type(error).__mro__}
    lost = next((words for name, words in _LOST.items() if name == kind or name in names), None)
    if lost is not None:
        return WorkerLostError(f"{label}: {lost}")
    if names & {"TaskCancelledError", "CancelledError"}:
        return cancelled(label)
    first = _first_line(error)
    if "RuntimeEnvSetupError" in names:
        return ConfigError(f"the workers' environment cannot be made: {first}")
    if "TaskUnschedulableError" in names:
        return UsageError(f"no node takes {label}: {first}", hint="@step(resources=ResourceSettings(...))")
    if "No module named 'mlxkit" in str(error):
        return not_installed()
    if any(mark in str(error) for mark in _NO_CONNECTION):
        return head_gone(where)
    if names & {"ConnectionError", "RpcError", "RaySystemError"}:
        return UnreachableError(f"{where} was lost: {first}")
    return MlxError(f"{label}: {kind}: {first}")


def cancelled(label: str) -> CancelledWorkError:
    """Return what is said of work that was ended on request."""
    return CancelledWorkError(f"{label} was cancelled")


def head_gone(where: str) -> MlxError:
    """Return what is said of work on a cluster whose head is gone."""
    return UnreachableError(f"{where} was lost: {_HEAD}")


def not_installed(version: str | None = None) -> ConfigError:
    """Return what is said when the workers have no mlxkit, or another one."""
    from ..._version import __version__

    what = "is not installed" if version is None else f"is version {version}"
    return ConfigError(
        f"mlxkit {what} on the cluster's workers; here it is {__version__}",
        hint=f"pip install mlxkit=={__version__} on every node, or mlx orchestrator update NAME --pip=mlxkit=={__version__}",
    )


def _first_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
