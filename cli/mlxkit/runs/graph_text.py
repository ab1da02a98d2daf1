"""A run's graph as text: a tree for the terminal, Mermaid for documents, Graphviz for its own programs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..dataclass import dataclass
from .graph import RunGraph
from .graph_fold import Drawing, Node, drawing

MARKS = {"completed": "✓", "cached": "=", "failed": "✗", "killed": "✗", "skipped": "-", "running": "…"}
PLAIN_MARKS = {**MARKS, "completed": "+", "failed": "x", "killed": "x", "running": "~"}
COLOURS = {  # fill, stroke and text; readable on white and on black
    "completed": ("#dff3e4", "#2f9e4f", "#123d1f"),
    "cached": ("#e1ecfb", "#3b78d8", "#12305e"),
    "failed": ("#fde3e1", "#d33a2c", "#5c120b"),
    "killed": ("#fdeeda", "#cc7a00", "#553300"),
    "skipped": ("#eeeeee", "#8a8a8a", "#3a3a3a"),
}
_DEEP = 10


@dataclass(frozen=True)
class Strokes:
    """What lines of a tree are drawn with."""

    branch: str
    last: str
    past: str
    on: str
    above: str
    by: str


UNICODE = Strokes("├─ ", "└─ ", "│  ", "↓ ", "↑ above", "←")
ASCII = Strokes("|- ", "`- ", "|  ", "v ", "^ above", "<-")


@dataclass(frozen=True)
class TreeLine:
    """One line of a tree: the strokes before the name, the name, and for a step that is drawn here what became of it."""

    indent: str
    name: str
    status: str = ""
    facts: tuple[str, ...] = ()
    note: str = ""


def tree(graph: RunGraph, strokes: Strokes = UNICODE, *, artifacts: bool = False) -> Iterator[TreeLine]:
    """Yield the lines of a tree: what a step feeds hangs under it.

    A step with several parents is drawn under the first, with the names of all; under the others is a word that it is
    above. Deep down, a step that alone follows another one goes on in the same column.
    """
    drawn: set[int] = set()
    picture = drawing(graph)
    for position, parents in enumerate(picture.parents):
        if not parents:
            yield from _branch(picture, position, drawn, strokes, artifacts)


def _branch(
    picture: Drawing, root: int, drawn: set[int], strokes: Strokes, artifacts: bool
) -> Iterator[TreeLine]:
    """Draw a step and all below it; with a stack of its own, because chains are longer than Python's."""
    waiting: list[tuple[int, str, str, int]] = [(root, "", "", 0)]
    while waiting:
        position, head, inside, depth = waiting.pop()
        node = picture.nodes[position]
        if position in drawn:
            yield TreeLine(head, node.label, note=strokes.above)
            continue
        drawn.add(position)
        names = [picture.nodes[item].label for item in picture.parents[position]]
        note = f"{strokes.by} {_few(names)}" if len(names) > 1 else ""
        yield TreeLine(head, node.label, node.step.status, _facts(node), note)
        below = picture.children[position]
        if artifacts and len(node.members) == 1:
            yield from _outputs(node, inside + (strokes.past if below else "   "))
        alone = len(below) == 1 and len(picture.parents[below[0]]) == 1 and depth >= _DEEP
        for item in reversed(below):
            if alone:
                waiting.append((item, inside + strokes.on, inside, depth))
            else:
                is_last = item == below[-1]
                stroke, past = (strokes.last, "   ") if is_last else (strokes.branch, strokes.past)
                waiting.append((item, inside + stroke, inside + past, depth + 1))


def _outputs(node: Node, indent: str) -> Iterator[TreeLine]:
    for item in node.step.artifacts:
        yield TreeLine(f"{indent}  ", f"{item.name}: {item.type}, {size(item.size)}")


def _facts(node: Node) -> tuple[str, ...]:
    step = node.step
    facts = [step.status, "" if step.status in ("skipped", "cached") else seconds(node.duration)]
    if len(node.members) == 1:
        facts += [f"{step.attempts} attempts" if step.attempts > 1 else "", step.reason]
    return tuple(fact for fact in facts if fact)


def _few(names: list[str]) -> str:
    return ", ".join(names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"])


def mermaid(graph: RunGraph, *, artifacts: bool = False) -> Iterator[str]:
    """Yield the lines of a Mermaid flowchart; `artifacts` writes on an edge what goes along it."""
    picture = drawing(graph)
    yield "flowchart TB"
    for position, node in enumerate(picture.nodes):
        text = "<br/>".join(_mermaid(line) for line in label_lines(node))
        yield f'  s{position}["{text}"]:::{_word(node.step.status)}'
    for source, target in picture.edges:
        what = picture.labels[source, target]
        text = "<br/>".join(_mermaid(item) for item in what[:4]) if artifacts else ""
        yield f'  s{source} -- "{text}" --> s{target}' if text else f"  s{source} --> s{target}"
    for status in dict.fromkeys(node.step.status for node in picture.nodes):
        fill, stroke, colour = colours(status)
        yield f"  classDef {_word(status)} fill:{fill},stroke:{stroke},color:{colour}"


def dot(graph: RunGraph, *, artifacts: bool = False) -> Iterator[str]:
    """Yield the lines of a Graphviz digraph."""
    picture = drawing(graph)
    yield f"digraph {_dot([graph.run.name])} {{"
    yield '  node [shape=box, style="rounded,filled", fontname="Helvetica"];'
    yield '  edge [color="#777777", fontname="Helvetica", fontsize=10];'
    for position, node in enumerate(picture.nodes):
        fill, stroke, colour = colours(node.step.status)
        yield (
            f"  s{position} [label={_dot(label_lines(node))}, tooltip={_dot([node.step.reason])}, "
            f'fillcolor="{fill}", color="{stroke}", fontcolor="{colour}"];'
        )
    for source, target in picture.edges:
        what = picture.labels[source, target][:4] if artifacts else ()
        yield f"  s{source} -> s{target}" + (f" [label={_dot(list(what))}];" if what else ";")
    yield "}"


def label_lines(node: Node) -> list[str]:
    """Return what stands on a node: the name, and what became of it."""
    told = node.step.status
    if told not in ("skipped", "cached"):
        told += f", {seconds(node.duration)}"
    return [node.label, told]


def colours(status: str) -> tuple[str, str, str]:
    """Return fill, stroke and text of a state."""
    return COLOURS.get(status, COLOURS["skipped"])


def seconds(value: float) -> str:
    """Return a time in few characters."""
    if value < 10:
        return f"{value:.2f} s"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(count: int) -> str:
    """Return a number of bytes in few characters."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _word(status: str) -> str:
    return re.sub(r"\W", "", status) or "other"


def _mermaid(text: str) -> str:
    """Write out, as Mermaid's character codes, all that could end a label or be read as markup."""
    return "".join(
        char if char.isalnum() or char in " _-.,:()/=+" else f"#{ord(char)};" for char in _one_line(text)
    )


def _dot(lines: list[str]) -> str:
    quoted = (_one_line(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(quoted) + '"'


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
