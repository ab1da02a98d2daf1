"""Where the dashboard of a Ray cluster is, which takes jobs, from where the cluster itself is."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from ...errors import ConfigError, UnreachableError

PORT = 8265


def dashboard_of(address: str | None, dashboard: str | None = None) -> str:
    """Return the URL of a cluster's dashboard: `dashboard` where it is given, else the host of `address`, port 8265.

    For `auto` the cluster of this machine is asked. Raises ConfigError where there is no cluster to send a job to.
    """
    if dashboard:
        return dashboard if "://" in dashboard else f"http://{dashboard}"
    if not address or address == "local":
        raise ConfigError(
            "a detached run needs a cluster that is there already: the orchestrator has no address",
            hint="ray start --head, and mlx orchestrator update NAME --address=auto",
        )
    if address == "auto":
        return _of_this_machine()
    if address.startswith(("http://", "https://")):
        return address
    host = urlsplit(address if "://" in address else f"//{address}").hostname
    if not host:
        raise ConfigError(
            f"{address!r} names no host", hint="mlx orchestrator update NAME --address=HOST:6379"
        )
    return f"http://[{host}]:{PORT}" if ":" in host else f"http://{host}:{PORT}"


def _of_this_machine() -> str:
    """Ask the cluster that this machine belongs to, as a driver that leaves again."""
    import ray

    was_attached = ray.is_initialized()
    try:
        context = ray.init("auto", log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
        url = context.dashboard_url
    except ConnectionError as error:
        raise UnreachableError(
            "no Ray cluster runs on this machine", hint="ray start --head --include-dashboard=true"
        ) from error
    finally:
        if not was_attached and ray.is_initialized():
            ray.shutdown()
    if not url:
        raise UnreachableError(
            "the Ray cluster of this machine has no dashboard, which takes jobs",
            hint="ray stop && ray start --head --include-dashboard=true",
        )
    return f"http://{url}"
