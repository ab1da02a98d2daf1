"""Dataclasses of our own mean what the standard ones mean."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any

import pytest

from mlxkit.dataclass import dataclass

Make = Callable[..., Any]
BOTH = pytest.mark.parametrize("make", [dataclasses.dataclass, dataclass], ids=["standard", "ours"])


def said(call: Callable[[], Any]) -> str:
    """Return the result of a call as text, or what it raises."""
    try:
        return repr(call())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def behaviour(make: Make, **options: bool) -> list[str]:
    @make(**options)
    class Point:
        x: int
        label: str = "none"
        tags: list[str] = field(default_factory=list)
        hidden: str = field(default="h", repr=False, compare=False)
        made: dict[str, int] = field(default_factory=dict, init=False)
        total: int = field(default=0, init=False)
        last: int = field(default=9, kw_only=True)

        def __post_init__(self) -> None:
            object.__setattr__(self, "total", self.x * 2)

    class Child(Point):
        pass

    @make(**options)
    class Wide(Point):
        width: float = 1.0

    one = Point(x=1)
    nan = float("nan")
    return [
        said(call)
        for call in (
            lambda: one,
            lambda: Point(x=1, label="b", tags=["t"], last=3),
            Point,
            lambda: Point(x=1, nothing=2),  # type: ignore[call-arg]
            lambda: one == Point(x=1, hidden="other"),
            lambda: one == Point(x=2),
            lambda: one == Child(x=1),
            lambda: one == Wide(x=1),
            lambda: one != Wide(x=1),
            lambda: Point(x=nan) == Point(x=nan),  # type: ignore[arg-type]
            lambda: hash(dataclasses.replace(one, tags=())) == hash(Point(x=1, tags=())),  # type: ignore[arg-type]
            lambda: hash(Wide(x=1, tags=())) == hash(Wide(x=1, tags=())),  # type: ignore[arg-type]
            lambda: dataclasses.replace(one, x=5, last=2).total,
            lambda: dataclasses.asdict(Wide(x=3)),
            lambda: [item.name for item in dataclasses.fields(Wide)],
            lambda: Wide.__match_args__,  # type: ignore[attr-defined]
            lambda: copy.deepcopy(Wide(x=3, width=2.0)),
            lambda: Point(x=1).tags is Point(x=1).tags,
            lambda: Wide(x=1, width=4.0),
            lambda: Child(x=7),
        )
    ]


@pytest.mark.parametrize(
    "options", [{}, {"frozen": True}, {"eq": False}, {"frozen": True, "eq": False}, {"kw_only": True}]
)
def test_they_are_made_compared_and_shown_alike(options: dict[str, bool]) -> None:
    ours, standard = behaviour(dataclass, **options), behaviour(dataclasses.dataclass, **options)
    differ = [(a, b) for a, b in zip(ours, standard, strict=True) if a != b and " at 0x" not in a]
    assert differ == []


@BOTH
def test_a_frozen_one_refuses_changes(make: Make) -> None:
    @make(frozen=True)
    class Point:
        x: int = 0

    point = Point()
    for change in (
        lambda: setattr(point, "x", 1),
        lambda: delattr(point, "x"),
        lambda: setattr(point, "y", 1),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError, match=r"cannot (assign to|delete) field '[xy]'"):
            change()
    assert point.x == 0


@pytest.mark.parametrize("base", [dataclasses.dataclass, dataclass], ids=["below-standard", "below-ours"])
@BOTH
def test_a_frozen_one_may_be_below_a_frozen_one_and_no_other(make: Make, base: Make) -> None:
    @base(frozen=True)
    class Thing:
        name: str

    @make(frozen=True)
    class Point(Thing):
        x: int = 0

    point = Point("p", 1)
    assert (point, hash(point)) == (Point(x=1, name="p"), hash(Point("p", 1)))
    for name in ("name", "x"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(point, name, 2)
    assert dataclasses.replace(point, x=2) == Point("p", 2)
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        make(type("Loose", (Thing,), {}))


@BOTH
def test_methods_that_a_class_has_are_kept(make: Make) -> None:
    @make(frozen=True)
    class Own:
        x: int = 0

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert (repr(Own()), Own(1) == Own(2), hash(Own())) == ("mine", True, 7)  # type: ignore[call-arg]


@BOTH
def test_one_that_holds_itself_is_shown(make: Make) -> None:
    @make()
    class Node:
        next: Any = None

    node = Node()
    node.next = node
    assert repr(node).endswith("Node(next=...)")


@dataclass(frozen=True)
class Kept:
    """Made at the top of a module, where pickle finds it."""

    x: int
    words: tuple[str, ...] = ()


def test_it_is_pickled_before_and_after_its_first_object() -> None:
    program = "import sys, pickle; print(pickle.load(sys.stdin.buffer))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(Kept(1, ("a",))),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    assert done.stdout.decode().strip() == "Kept(x=1, words=('a',))"
    assert pickle.loads(pickle.dumps(Kept(2))) == Kept(2)
