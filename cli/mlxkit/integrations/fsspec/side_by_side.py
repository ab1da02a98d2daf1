"""Several requests at a time, in threads that nobody has to wait for: neither Ctrl-C nor the end of a program does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
V = TypeVar("V")


def side_by_side(work: Callable[[V], T], items: Sequence[V], most: int) -> Iterator[T]:
    """Do something with every item, `most` at a time, and give the results in the order of the items.

    After a failure the rest is not begun, and what is on its way comes to its end first. Who stops asking, or is
    interrupted, goes on at once: a service that is silent would keep them for minutes.
    """
    futures: list[Future[T]] = [Future() for _ in items]
    left = deque(zip(futures, items, strict=True))

    def serve() -> None:
        while left:
            try:
                future, item = left.popleft()
            except IndexError:  # another thread was first
                return
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(item))
                except BaseException as error:  # it is raised where the result is asked for
                    future.set_exception(error)

    threads = [Thread(target=serve, name="mlx-store", daemon=True) for _ in range(min(most, len(items)))]
    for thread in threads:
        thread.start()
    try:
        for future in futures:
            yield future.result()
    except Exception:
        left.clear()
        for thread in threads:
            thread.join()
        raise
    finally:
        left.clear()
