"""Where the nodes of a graph go: layers by the longest way, an order with few crossings, positions near the neighbours.

The steps of Sugiyama's method: Gansner, North, Koutsofios, Vo, "A technique for drawing directed graphs" (1993).
"""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Sequence

from ..dataclass import dataclass
from .graph_fold import Drawing

_SWEEPS = 8
_MOST_BENDS = 4000  # places that edges keep free on their way, in all
_BEND_WIDTH = 14.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Centres of the nodes, the points that each edge goes through, and the size of it all."""

    nodes: tuple[Point, ...]
    edges: dict[tuple[int, int], tuple[Point, ...]]
    width: float
    height: float
    is_sideways: bool = False


def layout(
    picture: Drawing, width: float, height: float, gap: float, between: float, *, widest: float = 1500.0
) -> Layout:
    """Place boxes of one size from the top down; from left to right when that is too wide and this is narrower."""
    down = _placed(picture, width, height, gap, between)
    if down.width <= widest:
        return down
    across = _placed(picture, height, width, gap / 2, between * 1.3)
    if across.height >= down.width:
        return down
    return Layout(
        tuple((y, x) for x, y in across.nodes),
        {pair: tuple((y, x) for x, y in points) for pair, points in across.edges.items()},
        across.height,
        across.width,
        True,
    )


def _placed(picture: Drawing, width: float, height: float, gap: float, between: float) -> Layout:
    layer_of = _layers(picture)
    count = len(picture.nodes)
    layers: list[list[int]] = [[] for _ in range(max(layer_of, default=-1) + 1)]
    for node, layer in enumerate(layer_of):
        layers[layer].append(node)
    up: list[list[int]] = [[] for _ in range(count)]
    down: list[list[int]] = [[] for _ in range(count)]
    ways: dict[tuple[int, int], list[int]] = {}
    bends: dict[tuple[int, int], int] = {}  # edges from one node go together as far as they can
    for source, target in picture.edges:
        way = [source]
        passed = range(layer_of[source] + 1, layer_of[target])
        if len(bends) + len(passed) <= _MOST_BENDS:
            for layer in passed:
                if (source, layer) not in bends:
                    bends[source, layer] = len(up)
                    layers[layer].append(len(up))
                    up.append([])
                    down.append([])
                way.append(bends[source, layer])
        way.append(target)
        for before, after in itertools.pairwise(way):
            if after not in down[before]:
                down[before].append(after)
                up[after].append(before)
        ways[source, target] = way
    layers = _ordered(layers, up, down)
    sizes = [width if node < count else _BEND_WIDTH for node in range(len(up))]
    across = _across(layers, up, down, sizes, gap, count)
    left = min((across[node] - sizes[node] / 2 for node in range(len(up))), default=0.0)
    depth = [0.0] * len(up)
    for number, nodes in enumerate(layers):
        for node in nodes:
            depth[node] = number * (height + between) + height / 2
    places = [(across[node] - left, depth[node]) for node in range(len(up))]
    right = max((places[node][0] + sizes[node] / 2 for node in range(len(up))), default=0.0)
    edges: dict[tuple[int, int], tuple[Point, ...]] = {}
    for pair, way in ways.items():
        first, last = places[way[0]], places[way[-1]]
        # An edge goes straight along the boxes that it passes by, and bends between the layers only.
        turns = [
            (places[node][0], places[node][1] + half)
            for node in way[1:-1]
            for half in (-height / 2, height / 2)
        ]
        edges[pair] = ((first[0], first[1] + height / 2), *turns, (last[0], last[1] - height / 2))
    return Layout(tuple(places[:count]), edges, right, max(len(layers) * (height + between) - between, 0.0))


def _layers(picture: Drawing) -> list[int]:
    """Return each node's layer: its longest way from a beginning; a beginning stands just above what it feeds."""
    missing = [len(parents) for parents in picture.parents]
    layer = [0] * len(missing)
    ready = [node for node, count in enumerate(missing) if count == 0]
    for node in ready:  # grows while it is walked through
        for child in picture.children[node]:
            layer[child] = max(layer[child], layer[node] + 1)
            missing[child] -= 1
            if missing[child] == 0:
                ready.append(child)
    for node, parents in enumerate(picture.parents):
        if not parents and picture.children[node]:
            layer[node] = min(layer[child] for child in picture.children[node]) - 1
    return layer


def _ordered(
    layers: list[list[int]], up: Sequence[Sequence[int]], down: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Order each layer by the mean place of the neighbours, up and down in turn; the order with fewest crossings wins."""
    best, fewest = layers, _crossings(layers, down)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        neighbours, order = (
            (up, range(1, len(layers))) if sweep % 2 == 0 else (down, range(len(layers) - 2, -1, -1))
        )
        layers = [list(layer) for layer in layers]
        place = {node: float(index) for layer in layers for index, node in enumerate(layer)}
        for number in order:
            means = {
                node: sum(place[item] for item in neighbours[node]) / len(neighbours[node])
                if neighbours[node]
                else place[node]
                for node in layers[number]
            }
            layers[number].sort(key=means.__getitem__)
            place.update((node, float(index)) for index, node in enumerate(layers[number]))
        crossings = _crossings(layers, down)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _crossings(layers: Sequence[Sequence[int]], down: Sequence[Sequence[int]]) -> int:
    total = 0
    for upper, lower in itertools.pairwise(layers):
        place = {node: index for index, node in enumerate(lower)}
        seen: list[int] = []
        for node in upper:
            ends = sorted(place[item] for item in down[node] if item in place)
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _across(
    layers: Sequence[Sequence[int]],
    up: Sequence[Sequence[int]],
    down: Sequence[Sequence[int]],
    sizes: Sequence[float],
    gap: float,
    count: int,
) -> list[float]:
    """Return the middle of each node across its layer: as near to its neighbours as the order and the gaps allow."""
    middle = [0.0] * len(sizes)
    offsets: list[list[float]] = []
    for layer in layers:
        offset, edge = [], 0.0
        for node in layer:
            offset.append(edge + sizes[node] / 2)
            edge += sizes[node] + gap
        offsets.append(offset)
        for node, place in zip(layer, offset, strict=True):
            middle[node] = place - (edge - gap) / 2
    for sweep in range(_SWEEPS):
        is_downward = sweep % 2 == 0
        numbers = range(len(layers)) if is_downward else range(len(layers) - 1, -1, -1)
        for number in numbers:
            layer, offset = layers[number], offsets[number]
            wanted, weights = [], []
            for node in layer:
                before, after = (up[node], down[node]) if is_downward else (down[node], up[node])
                near = [*before, *after] if sweep >= _SWEEPS - 2 else before or after
                goal = sum(middle[item] for item in near) / len(near) if near else middle[node]
                wanted.append(goal)
                weights.append(
                    1.0 if node < count else 4.0
                )  # an edge is bent less gladly than a box is moved
            shifted = _rising([goal - place for goal, place in zip(wanted, offset, strict=True)], weights)
            for node, shift, place in zip(layer, shifted, offset, strict=True):
                middle[node] = shift + place
    return middle


def _rising(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the rising sequence that is nearest to the values (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        mean, total, length = value, weight, 1
        while pools and pools[-1][0] > mean:
            before, more, longer = pools.pop()
            mean = (mean * total + before * more) / (total + more)
            total, length = total + more, length + longer
        pools.append((mean, total, length))
    return [mean for mean, _, length in pools for _ in range(length)]
