"""Work that threads leave for each other: one at a time, by whoever has nothing else to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mlxkit.pipelines.mailbox import Mailbox

PATIENCE = 60.0


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mailbox whose stand-in is awake."""
    box = Mailbox()
    box.at_once(lambda: None)
    yield box
    box.close()


def test_what_is_drained_is_over_also_where_another_thread_had_begun_it(mailbox: Mailbox) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), list[str]()

    def job() -> None:
        begun.set()
        go_on.wait(PATIENCE)
        done.append("it")

    mailbox.put(job)
    assert begun.wait(PATIENCE)
    threading.Timer(0.05, go_on.set).start()
    mailbox.drain()
    assert done == ["it"]


def test_what_fails_in_another_thread_is_raised_where_somebody_waits(mailbox: Mailbox) -> None:
    def job() -> None:
        raise LookupError("elsewhere")

    mailbox.put(job)
    with pytest.raises(LookupError, match="elsewhere"):
        mailbox.wait_until(lambda: False)
    assert mailbox.has_problem
