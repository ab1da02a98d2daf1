"""Detached runs brought up to date before a command shows them; one that is over, or was never detached, costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import terminal

if TYPE_CHECKING:
    from ..client import Client
    from ..runs.detached.following import News
    from ..runs.records import RunRecord


def refreshed(client: Client, run: RunRecord) -> RunRecord:
    """Ask the cluster about a run that goes on there; where it does not answer that is said, and what is known is shown."""
    if run.status != "running" or "detached" not in run.metadata:
        return run
    terminal.let_person_unlock()
    news = client.detached.refresh(run)
    if news.unknown:
        terminal.warn(unknown(news))
    return news.run


def refresh_all(client: Client) -> None:
    """Ask about all detached runs that have no end yet."""
    terminal.let_person_unlock()
    for news in client.detached.refresh_all():
        if news.unknown:
            terminal.warn(unknown(news))


def unknown(news: News) -> str:
    """Return what is said of a run about which nobody can be asked, and how it is got rid of."""
    return f"unknown how run {news.run.name} is: {news.unknown}; `mlx runs cancel {news.run.id} --yes` gives it up"
