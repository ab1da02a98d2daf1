"""A run's graph as an SVG picture, alone or inside a page."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from html import escape

from .graph import RunGraph
from .graph_fold import Drawing, Node, drawing
from .graph_layout import Layout, Point, layout
from .graph_text import COLOURS, seconds

_HEIGHT = 46.0
_CHAR, _SMALL = 7.8, 6.7  # pixels that a letter takes at 13 and at 11 px in a wide typeface
_LONGEST = 30  # letters
_MARGIN = 12.0
_LEFT, _RIGHT = 36.0, 12.0
_DARK = {
    "completed": ("#12301d", "#3fb968", "#c9f2d6"),
    "cached": ("#14263f", "#5b9bf0", "#cfe2ff"),
    "failed": ("#3d1512", "#ff6b5e", "#ffd3ce"),
    "killed": ("#3a2808", "#f0a030", "#ffe3b8"),
    "skipped": ("#26282c", "#8b9098", "#c8ccd2"),
}
_SHAPES = {
    "completed": "M-5 0l3.5 4 6.5-8",
    "cached": "M-5-2.5h10M-5 2.5h10",
    "failed": "M-4-4l8 8M4-4l-8 8",
    "killed": "M-4-4l8 8M4-4l-8 8",
    "skipped": "M-5 0h10",
}


def style() -> str:
    """Return the rules for a graph's parts, for light and for dark surroundings."""
    parts = [
        ".step text{font:13px system-ui,sans-serif;fill:var(--ink)}.step .sub{font-size:11px;opacity:.8}",
        ".step rect{fill:var(--fill);stroke:var(--line);stroke-width:1.3}",
        ".step .mark{fill:none;stroke:var(--line);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}",
        ".skipped rect,.killed rect{stroke-dasharray:5 3}.failed rect{stroke-width:2.2}",
        ".edge{fill:none;stroke:var(--edge);stroke-width:1.4}.tip{fill:var(--edge)}.waited{stroke-dasharray:3 4}",
        _variables(COLOURS, "#8d96a3"),
        "@media (prefers-color-scheme:dark){" + _variables(_DARK, "#7d8794") + "}",
    ]
    return "".join(parts)


def _variables(colours: dict[str, tuple[str, str, str]], edge: str) -> str:
    rules = [f":root{{--edge:{edge}}}"]
    for status, (fill, line, ink) in colours.items():
        also = (
            ",.step" if status == "skipped" else ""
        )  # a state that is not known here looks like nothing happened
        rules.insert(1 if also else len(rules), f".{status}{also}{{--fill:{fill};--line:{line};--ink:{ink}}}")
    return "".join(rules)


def svg(graph: RunGraph) -> Iterator[str]:
    """Yield the lines of a picture that needs nothing else."""
    picture = drawing(graph)
    body, width, height = parts(picture)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
    yield f"<title>{clean(graph.run.name)}, {clean(graph.run.status)}</title><style>{style()}</style>"
    yield from body
    yield "</svg>"


def parts(picture: Drawing, *, link: str = "") -> tuple[list[str], float, float]:
    """Return the elements of a picture, its width and height; a node leads to `#link` and its position where that is given."""
    longest = max((_letters(_short(_name(node))) * _CHAR for node in picture.nodes), default=0.0)
    under = max((_letters(_short(_sub(node))) * _SMALL for node in picture.nodes), default=0.0)
    width = _LEFT + _RIGHT + max(longest, under, 80.0)
    placed = layout(picture, width, _HEIGHT, 22.0, 42.0)
    elements = [
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0L8 4 0 8z"/></marker></defs>',
        f'<g transform="translate({_MARGIN:.0f} {_MARGIN:.0f})">',
    ]
    elements += [
        f'<path class="edge{"" if picture.labels[pair] else " waited"}" marker-end="url(#tip)" d="{_curve(points, placed)}">'
        f"<title>{clean(_told(picture, pair))}</title></path>"
        for pair, points in placed.edges.items()
    ]
    for position, node in enumerate(picture.nodes):
        drawn = "".join(_box(node, placed.nodes[position], width))
        if link:
            label = clean(f"{node.label}: {node.step.status}")
            drawn = f'<a href="#{link}{position}" aria-label="{label}">{drawn}</a>'
        elements.append(drawn)
    elements.append("</g>")
    return elements, max(placed.width, width) + 2 * _MARGIN, placed.height + 2 * _MARGIN + 6


def _box(node: Node, centre: Point, width: float) -> Iterator[str]:
    left, top = centre[0] - width / 2, centre[1] - _HEIGHT / 2
    status = node.step.status if node.step.status in COLOURS else "other"
    yield f'<g class="step {status}" transform="translate({left:.1f} {top:.1f})"><title>{clean(_title(node))}</title>'
    if len(node.members) > 1:
        yield "".join(
            f'<rect x="{at}" y="{at}" width="{width:.0f}" height="{_HEIGHT:.0f}" rx="8"/>' for at in (6, 3)
        )
    yield f'<rect width="{width:.0f}" height="{_HEIGHT:.0f}" rx="8"/>'
    yield f'<path class="mark" transform="translate(19 {_HEIGHT / 2:.0f})" d="{_SHAPES.get(status, _SHAPES["skipped"])}"/>'
    yield f'<text x="{_LEFT:.0f}" y="20">{clean(_short(_name(node)))}</text>'
    yield f'<text class="sub" x="{_LEFT:.0f}" y="36">{clean(_short(_sub(node)))}</text></g>'


def _name(node: Node) -> str:
    first, last = node.members[0].name, node.members[-1].name
    return first if len(node.members) == 1 else f"{_short(first, 14)} … {_short(last, 14)}"


def _sub(node: Node) -> str:
    told = node.step.status if len(node.members) == 1 else f"{len(node.members)} more · {node.step.status}"
    if told not in ("skipped", "cached"):
        told += f" · {seconds(node.duration)}"
    if len(node.members) == 1 and node.step.attempts > 1:
        told += f" · {node.step.attempts} attempts"
    return told


def _title(node: Node) -> str:
    return f"{node.label}: {node.step.status}" + (f", {node.step.reason}" if node.step.reason else "")


def _told(picture: Drawing, pair: tuple[int, int]) -> str:
    what = picture.labels[pair]
    more = f", and {len(what) - 5} more" if len(what) > 5 else ""
    names = f"{picture.nodes[pair[0]].label} to {picture.nodes[pair[1]].label}"
    return f"{names}: {', '.join(what[:5])}{more}" if what else f"{names}: only waited for"


def _curve(points: Sequence[Point], placed: Layout) -> str:
    """Return a path that leaves and enters boxes at a right angle."""
    drawn = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        if placed.is_sideways and abs(y1 - y2) >= 0.5:
            half = (x1 + x2) / 2
            drawn.append(f"C{half:.1f} {y1:.1f} {half:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
        elif abs(x1 - x2) < 0.5 or y1 == y2:
            drawn.append(f"L{x2:.1f} {y2:.1f}")
        else:
            half = (y1 + y2) / 2
            drawn.append(f"C{x1:.1f} {half:.1f} {x2:.1f} {half:.1f} {x2:.1f} {y2:.1f}")
    return "".join(drawn)


def clean(text: str) -> str:
    """Return text for HTML and XML: escaped, and without characters that XML cannot have."""
    return escape("".join(char if char.isprintable() or char in "\n\t" else "�" for char in text))


def _letters(text: str) -> int:
    return sum(_wide(char) for char in text)


def _wide(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _short(text: str, longest: int = _LONGEST) -> str:
    """Return a text that fits into a box; its beginning and its end say more than its middle."""
    if _letters(text) <= longest:
        return text
    kept = longest // max(map(_wide, text)) - 1
    return f"{text[: kept - kept * 2 // 5]}…{text[-(kept * 2 // 5) :]}"
