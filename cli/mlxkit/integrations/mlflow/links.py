"""Addresses that open in a browser."""

from __future__ import annotations

import zlib
from urllib.parse import quote

from .connection import Connection

_FIRST_PORT, _PORTS = 28_000, 1_000


def run_url(to: Connection, experiment_id: str, run_id: str) -> str:
    """Return the page of a run; that of a local store opens while `mlx tracker ui` runs."""
    return _page(to, f"/experiments/{quote(experiment_id, safe='')}/runs/{quote(run_id, safe='')}")


def home_url(to: Connection) -> str:
    """Return the start page of the tracker's UI."""
    return _page(to, "/experiments")


def ui_port(to: Connection) -> int:
    """Return the port on which `mlx tracker ui` serves a store of this machine: always the same for the same store."""
    return _FIRST_PORT + zlib.crc32(to.tracking_uri.encode()) % _PORTS


def _page(to: Connection, path: str) -> str:
    if to.scenario == "databricks":
        return f"{to.api_url}/ml{path}"
    if to.scenario == "server":
        return f"{to.shown_uri}/#{path}"
    return f"http://127.0.0.1:{ui_port(to)}/#{path}"
