"""Functions that are diverted in place, for every name they have."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from mlxkit.integrations.mlflow.divert import Diversion


def greet(name: str, greeting: str = "hello", *, mark: str = "!") -> str:
    """Greet."""
    return f"{greeting} {name}{mark}"


alias = greet


def loud(original: Callable[..., str], *args: Any, **kwargs: Any) -> str:
    return original(*args, **kwargs).upper()


def test_every_name_of_the_function_is_diverted_until_it_is_undone() -> None:
    diversion = Diversion(greet, loud)
    try:
        assert (alias("ann"), greet("bob", mark="?"), alias("cy", greeting="hi")) == (
            "HELLO ANN!",
            "HELLO BOB?",
            "HI CY!",
        )
    finally:
        diversion.undo()
    assert (alias("ann"), greet("bob", mark="?")) == ("hello ann!", "hello bob?")
    assert (greet.__kwdefaults__, greet.__defaults__) == ({"mark": "!"}, ("hello",))


def test_diversions_nest_and_come_off_in_turn() -> None:
    outer = Diversion(greet, lambda original, name: f"<{original(name)}>")
    inner = Diversion(greet, loud)
    assert greet("ann") == "<HELLO ANN!>"
    inner.undo()
    assert greet("ann") == "<hello ann!>"
    outer.undo()
    assert greet("ann") == "hello ann!"


def test_a_method_is_diverted_for_every_instance_and_bound_method() -> None:
    class Store:
        def write(self, value: int) -> int:
            return value

    bound = Store().write
    diversion = Diversion(Store.write, lambda original, self, value: original(self, value) * 2)
    assert (bound(2), Store().write(3)) == (4, 6)
    diversion.undo()
    assert bound(2) == 2


def test_what_is_not_a_plain_function_is_refused() -> None:
    def make() -> Callable[[], int]:
        kept = 1
        return lambda: kept

    for other in (len, make(), print, object()):
        with pytest.raises(TypeError, match="is not a plain function"):
            Diversion(other, loud)


def test_a_thread_that_calls_meanwhile_gets_one_or_the_other() -> None:
    stop, seen = threading.Event(), set()

    def call() -> None:
        while not stop.is_set():
            seen.add(greet("ann"))

    thread = threading.Thread(target=call)
    thread.start()
    for _ in range(2000):
        Diversion(greet, loud).undo()
    stop.set()
    thread.join()
    assert seen <= {"hello ann!", "HELLO ANN!"}
