"""One run where several processes may open it at once: each looks before and after, and the first one made counts."""

from __future__ import annotations

from collections.abc import Mapping

from ...stacks.tags import HOST, RUN_ID
from .backend import Backend


def opened_once(
    backend: Backend, experiment_id: str, name: str, tags: Mapping[str, str], our_run: str
) -> tuple[str, bool]:
    """Return the run that the steps of one of our runs share in an experiment, and whether it was made now.

    A store that lists runs in the order in which they came to it makes that certain; a server, which orders them by the
    clocks of its clients, can be left with two when these clocks differ. Both are ours then, and both are ended.
    """
    wanted = {RUN_ID: our_run, HOST: tags[HOST]}
    for run_id, _tags in backend.tagged([experiment_id], wanted):
        return run_id, False
    mine = backend.create_run(experiment_id, name, tags)
    first = next((run_id for run_id, _tags in backend.tagged([experiment_id], wanted)), mine)
    if first != mine:
        backend.discard(mine)
    return first, first == mine
