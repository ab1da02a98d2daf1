"""Make a large graph small enough to look at: what is alike is shown a few times, and the rest counted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ..dataclass import dataclass
from .graph import GraphStep, RunGraph

ALIKE = 12  # as many steps of one sort side by side are all drawn
SHOWN = 3
_LONG_CHAIN = 24
_ROUNDS = 6
_COUNTER = re.compile(r"[_\-.\[ ]?\d+\]?$")


@dataclass(frozen=True)
class Node:
    """What is drawn in one place: a step, or `members` that are alike, of which `step` is the first."""

    step: GraphStep
    members: tuple[GraphStep, ...]

    @property
    def label(self) -> str:
        """The step's name, or the first and last of several and how many there are."""
        if len(self.members) == 1:
            return self.step.name
        return f"{self.members[0].name} ... {self.members[-1].name} ({len(self.members)} more)"

    @property
    def duration(self) -> float:
        """Seconds, of all members together."""
        return sum(step.duration for step in self.members)


@dataclass(frozen=True)
class Drawing:
    """Nodes in the order their steps were called; `parents` and `children` are positions in it."""

    nodes: tuple[Node, ...]
    parents: tuple[tuple[int, ...], ...]
    children: tuple[tuple[int, ...], ...]
    labels: Mapping[tuple[int, int], tuple[str, ...]]

    @property
    def edges(self) -> Iterable[tuple[int, int]]:
        """Pairs of positions, from where something came to where it went."""
        return ((source, target) for source, targets in enumerate(self.children) for target in targets)


def drawing(graph: RunGraph, *, fold: bool = True) -> Drawing:
    """Return what to draw; steps of one sort that many have in common are folded into one node."""
    place = {step.name: position for position, step in enumerate(graph.steps)}
    edges = [
        (place[edge.source], place[edge.target], edge.artifacts)
        for edge in graph.edges
        if edge.source in place and edge.target in place and place[edge.source] < place[edge.target]
    ]
    count = len(graph.steps)
    groups = [[position] for position in range(count)]
    if fold and count > ALIKE:
        groups = _folded(graph.steps, [(source, target) for source, target, _ in edges])
    of = {position: number for number, group in enumerate(groups) for position in group}
    labels: dict[tuple[int, int], dict[str, None]] = defaultdict(dict)
    for source, target, artifacts in edges:
        if of[source] != of[target]:
            labels[of[source], of[target]].update(dict.fromkeys(artifacts))
    return Drawing(
        tuple(
            Node(graph.steps[group[0]], tuple(graph.steps[position] for position in group))
            for group in groups
        ),
        _neighbours(len(groups), ((target, source) for source, target in labels)),
        _neighbours(len(groups), labels),
        {pair: tuple(found) for pair, found in labels.items()},
    )


def _neighbours(count: int, pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    found: list[list[int]] = [[] for _ in range(count)]
    for here, there in pairs:
        found[here].append(there)
    return tuple(tuple(sorted(items)) for items in found)


def _folded(steps: Sequence[GraphStep], edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return groups of positions; in one group are steps with names, states and surroundings alike."""
    parents = _neighbours(len(steps), ((target, source) for source, target in edges))
    children = _neighbours(len(steps), edges)
    sorts = _sorts(steps, parents, children)
    alike: dict[int, list[int]] = defaultdict(list)
    for position, sort in enumerate(sorts):
        alike[sort].append(position)
    groups: list[list[int]] = []
    for members in alike.values():
        if len(members) > ALIKE:
            groups += [[position] for position in members[:SHOWN]]
            groups.append(members[SHOWN:])
        else:
            groups += [[position] for position in members]
    single = {group[0] for group in groups if len(group) == 1}
    return sorted(_chains(steps, parents, children, groups, single), key=lambda group: group[0])


def _sorts(
    steps: Sequence[GraphStep], parents: Sequence[Sequence[int]], children: Sequence[Sequence[int]]
) -> list[int]:
    """Number the sorts of steps. Steps of one sort are equally far from the beginning, so folding makes no circle."""
    depth = [0] * len(steps)
    for position in range(len(steps)):  # parents come before their children
        depth[position] = max((depth[item] + 1 for item in parents[position]), default=0)
    height = [0] * len(steps)
    for position in reversed(range(len(steps))):
        height[position] = max((height[item] + 1 for item in children[position]), default=0)
    sorts = _numbered(
        (_COUNTER.sub("", step.name), step.status, depth[position], height[position])
        for position, step in enumerate(steps)
    )
    for _ in range(_ROUNDS):
        finer = _numbered(
            (
                sort,
                tuple(sorted({sorts[item] for item in parents[position]})),
                tuple(sorted({sorts[item] for item in children[position]})),
            )
            for position, sort in enumerate(sorts)
        )
        if max(finer) == max(sorts):
            break
        sorts = finer
    return sorts


def _numbered(keys: Iterable[object]) -> list[int]:
    numbers: dict[object, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _chains(
    steps: Sequence[GraphStep],
    parents: Sequence[Sequence[int]],
    children: Sequence[Sequence[int]],
    groups: list[list[int]],
    single: set[int],
) -> list[list[int]]:
    """Fold the middle of long chains of steps with names and states alike."""

    def goes_on(position: int) -> int | None:
        """Return the one step that follows, when it is of the same kind and follows nothing else."""
        if len(children[position]) != 1:
            return None
        after = children[position][0]
        same = (
            after in single
            and len(parents[after]) == 1
            and steps[after].status == steps[position].status
            and _COUNTER.sub("", steps[after].name) == _COUNTER.sub("", steps[position].name)
        )
        return after if same else None

    gone: set[int] = set()
    folded: list[list[int]] = []
    seen: set[int] = set()
    for first in sorted(single):
        chain = [first]
        while first not in seen and (after := goes_on(chain[-1])) is not None:
            chain.append(after)
        seen.update(chain)
        if len(chain) > _LONG_CHAIN:
            middle = chain[SHOWN:-1]
            gone.update(middle)
            folded.append(middle)
    return [group for group in groups if len(group) > 1 or group[0] not in gone] + folded
