"""Where nodes and edges of a picture go."""

from __future__ import annotations

import itertools
import random

import pytest

from mlxkit.runs.graph import RunGraph
from mlxkit.runs.graph_fold import drawing
from mlxkit.runs.graph_layout import Layout, layout

from .graphs import chain, diamond, graph, step

W, H = 160.0, 46.0


def placed(of: RunGraph, *, fold: bool = False, widest: float = 1e9) -> Layout:
    return layout(drawing(of, fold=fold), W, H, 20.0, 40.0, widest=widest)


def overlaps(found: Layout) -> list[tuple[int, int]]:
    return [
        (a, b)
        for (a, (ax, ay)), (b, (bx, by)) in itertools.combinations(enumerate(found.nodes), 2)
        if abs(ax - bx) < W - 0.01 and abs(ay - by) < H - 0.01
    ]


def tangle(count: int, seed: int) -> RunGraph:
    chance = random.Random(seed)
    steps = []
    for index in range(count):
        before = [item.name for item in steps]
        steps.append(
            step(f"n{index}", chance.sample(before, min(len(before), chance.choice([0, 1, 1, 2, 3]))))
        )
    return graph(*steps)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [3, 30, 300])
@pytest.mark.parametrize("widest", [1e9, 10.0])
def test_boxes_never_overlap_and_lie_inside_the_picture(count: int, seed: int, widest: float) -> None:
    found = placed(tangle(count, seed), widest=widest)
    assert overlaps(found) == []
    for x, y in found.nodes:
        assert W / 2 - 0.01 <= x <= found.width - W / 2 + 0.01
        assert H / 2 - 0.01 <= y <= found.height - H / 2 + 0.01


@pytest.mark.parametrize("seed", range(4))
def test_edges_go_down_and_past_the_boxes_between(seed: int) -> None:
    found = placed(tangle(40, seed))
    passed = 0
    for (source, target), points in found.edges.items():
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            assert y2 >= y1
            for node, (x, y) in enumerate(found.nodes):
                beside = y1 < y + H / 2 - 0.01 and y2 > y - H / 2 + 0.01
                if beside and node not in (source, target):
                    passed += 1
                    assert max(x1, x2) <= x - W / 2 + 0.01 or min(x1, x2) >= x + W / 2 - 0.01
    assert passed > 20


def test_a_diamond_is_symmetric() -> None:
    (load, left, right, join) = placed(diamond()).nodes
    assert load[0] == pytest.approx(join[0])
    assert left[0] + right[0] == pytest.approx(2 * load[0])
    assert load[1] < left[1] == right[1] < join[1]


def test_an_order_without_crossings_is_found() -> None:
    crossed = graph(step("a"), step("b"), step("c", ["b"]), step("d", ["a"]))
    a, b, c, d = placed(crossed).nodes
    assert (a[0] < b[0]) == (d[0] < c[0])


def test_a_beginning_stands_just_above_what_it_feeds() -> None:
    late = graph(step("a"), step("b", ["a"]), step("c", ["b"]), step("late"), step("d", ["c", "late"]))
    nodes = placed(late).nodes
    assert nodes[3][1] == nodes[2][1]


def test_what_is_too_wide_is_laid_from_left_to_right() -> None:
    wide = graph(step("load"), *(step(name, ["load"]) for name in "abcdefghijkl"))
    found = placed(wide, widest=800.0)
    assert found.is_sideways
    assert found.width < 800 < placed(wide).width


def test_a_chain_of_a_thousand_and_nothing_at_all_are_placed() -> None:
    assert len(placed(chain(1000)).nodes) == 1000
    assert placed(graph()).nodes == ()
