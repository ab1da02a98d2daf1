"""Threads for predictions: quick ones one after the other, slow ones beside each other, hung ones given up."""

from __future__ import annotations

import asyncio
import threading
import time

from mlxkit.integrations.mlflow.serving.scoring import Answer
from mlxkit.integrations.mlflow.serving.threads import Threads


def work(body: bytes, content_type: str | None) -> Answer:
    time.sleep(float(body))
    return Answer(200, threading.current_thread().name.encode(), b"")


def asked(threads: Threads, *seconds: float, within: float = 5.0) -> list[Answer | None]:
    async def ask() -> list[Answer | None]:
        return await asyncio.gather(*(threads.run(str(s).encode(), None, within) for s in seconds))

    return asyncio.run(ask())


def test_slow_ones_do_not_wait_for_each_other() -> None:
    all_are_here = threading.Barrier(6)

    def meet(body: bytes, content_type: str | None) -> Answer:
        all_are_here.wait(60)
        return work(b"0", content_type)

    answers = asked(Threads(6, meet), *[0] * 6, within=60)
    assert len({answer.body for answer in answers if answer}) == 6


def test_no_more_threads_than_the_limit() -> None:
    began = time.monotonic()
    answers = asked(Threads(2, work), *[0.1] * 6, within=60)
    assert time.monotonic() - began >= 0.3
    assert len({answer.body for answer in answers if answer}) == 2


def test_a_quick_one_gets_past_slow_ones() -> None:
    async def ask() -> bool:
        threads = Threads(3, work)
        slow = [asyncio.ensure_future(threads.run(b"3", None, 60)) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert await threads.run(b"0", None, 60)
        is_past = not any(one.done() for one in slow)
        await asyncio.gather(*slow)
        return is_past

    assert asyncio.run(ask())


def test_what_hangs_is_given_up_and_is_known_to_hold_the_threads() -> None:
    async def ask() -> list[bool]:
        threads = Threads(2, work)
        seen = [threads.are_stuck]
        assert await asyncio.gather(*(threads.run(b"0.6", None, 0.1) for _ in range(2))) == [None, None]
        seen.append(threads.are_stuck)
        assert await threads.run(b"0", None, 0.1) is None  # there is nobody to do it
        await asyncio.sleep(0.8)
        seen.append(threads.are_stuck)
        assert await threads.run(b"0", None, 1)
        return [*seen, threads._lost == 0]

    assert asyncio.run(ask()) == [False, True, False, True]
