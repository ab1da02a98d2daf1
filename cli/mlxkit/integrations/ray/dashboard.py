"""Where the dashboard of a Ray cluster is, which takes jobs, from where the cluster itself is."""

from __future__ import annotations

from urllib.parse import urlsplit

from ...errors import ConfigError, UnreachableError
from .engine import engine
from .settings import START, RaySettings

PORT = 8265


def dashboard_of(settings: RaySettings) -> str:
    """Return the URL of a cluster's dashboard: `dashboard` where it is given, else the host of the address, port 8265.

    For `auto` the cluster of this machine is asked. Raises ConfigError where there is no cluster to send a job to.
    """
    if settings.dashboard:
        return settings.dashboard if "://" in settings.dashboard else f"http://{settings.dashboard}"
    if settings.address is None:
        raise ConfigError(
            f"a detached run needs a cluster that stands, and orchestrator {settings.name!r} has no address: "
            "the cluster that is started for a run ends with it",
            hint=f"{START}, and mlx orchestrator update {settings.name} --address=auto",
        )
    if settings.address == "auto":
        return _of_this_machine(settings)
    host = urlsplit(settings.address if "://" in settings.address else f"//{settings.address}").hostname or ""
    return f"http://[{host}]:{PORT}" if ":" in host else f"http://{host}:{PORT}"


def _of_this_machine(settings: RaySettings) -> str:
    """Ask the head of the cluster that `auto` means, without connecting to it."""
    from .cluster import cluster_here
    from .probe import check_answers, dashboard_at

    with engine(settings):
        endpoint = cluster_here(settings)
        check_answers(settings, endpoint)
        url = dashboard_at(endpoint)
    if not url:
        raise UnreachableError(
            "the Ray cluster of this machine has no dashboard, which takes jobs",
            hint="ray stop && ray start --head --include-dashboard=true",
        )
    return url if "://" in url else f"http://{url}"
