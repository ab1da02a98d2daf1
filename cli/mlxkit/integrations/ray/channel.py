"""The way of what work says to the driver while it goes on: an actor without a processor that keeps it until it is fetched."""

from __future__ import annotations

import asyncio
from typing import Any

CHANNEL_CPUS = 0
_LONGEST_WAIT = 20.0  # seconds for the driver to fetch what has to be there before work goes on


class Channel:
    """Holds what workers said, in order; the driver fetches it with one call that waits."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._put = self._given = self._fetched = 0
        self._news = asyncio.Event()
        self._arrived = asyncio.Condition()

    async def put(self, batch: bytes, urgent: bool = False) -> None:
        """Take what a worker says; `urgent` answers when the driver has dealt with it."""
        self._put += 1
        mine = self._put
        self._held.append(batch)
        self._news.set()
        if not urgent:
            return
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: self._fetched >= mine), _LONGEST_WAIT)

    async def fetch(self, wait: float) -> list[bytes]:
        """Give everything that came since, after at most `wait` seconds; what was given before counts as arrived."""
        self._fetched = self._given
        async with self._arrived:
            self._arrived.notify_all()
        if not self._held:
            try:
                await asyncio.wait_for(self._news.wait(), wait)
            except asyncio.TimeoutError:
                return []
        batches, self._held = self._held, []
        self._given = self._put
        self._news.clear()
        return batches


def open_channel(ray: Any, name: str) -> Any:
    """Start the channel of a run beside the driver, where it lives as long as the driver can be heard."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    made = ray.remote(Channel).options(
        name=name,
        num_cpus=CHANNEL_CPUS,
        max_restarts=3,
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=True),
    )
    return made.remote()
