"""A comparison as one page: tables and curves, nothing fetched, no script, light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from ..records import plain
from ..secrets.masking import mask_text
from .compare import LETTERS, ComparedRow, Comparison
from .graph_svg import clean

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 460, 220, 64, 28, 12
_POINTS = 2_000  # of a curve: more cannot be told apart
_COLOURS = 8
_HEADS = {
    "run": "Outcome", "param": "Parameters", "logged param": "Logged params", "metric": "Metrics", "code": "Code", "file": "Files", "step": "Steps",
    "data": "Data", "environment": "Environment", "duration": "Seconds",
}  # fmt: skip
_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--text:#1c2024;--soft:#5b6470;--rule:#dde1e6;--best:#e3f4e6;--c0:#0b57c2;--c1:#c2410c;--c2:#15803d;--c3:#9333ea;--c4:#b91c5c;--c5:#0e7490;--c6:#a16207;--c7:#475569}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--text:#e6e8eb;--soft:#9aa3ae;--rule:#30353b;--best:#17361f;--c0:#7db1ff;--c1:#fb923c;--c2:#4ade80;--c3:#c99bff;--c4:#f78fb3;--c5:#5cd3e6;--c6:#facc15;--c7:#a8b3c2}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1080px;padding:20px;font:14px/1.45 system-ui,sans-serif;background:var(--paper);color:var(--text)}
h1{font-size:19px;margin:0 0 12px}h2{font-size:15px;margin:28px 0 6px}h3{font-size:14px;font-weight:500;margin:0 0 4px;overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:4px 14px 4px 0;border-bottom:1px solid var(--rule);overflow-wrap:anywhere;padding-left:6px}
th{color:var(--soft);font-weight:500}table.rows{table-layout:fixed}table.heads :is(td,th){white-space:nowrap;padding-right:8px}
.best{background:var(--best);font-weight:600}.same td{color:var(--soft)}
.charts{display:flex;flex-wrap:wrap;gap:20px}.charts section{flex:1 1 420px;min-width:0}svg{display:block;width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)}svg .axis{stroke:var(--rule)}svg path{fill:none;stroke-width:1.8}
p.note{color:var(--soft);margin:4px 0}
"""


def page(compared: Comparison) -> str:
    """Return the page; every text of others is escaped, and no secret that this process knows is in it."""
    return mask_text("\n".join(_parts(compared)) + "\n")


def _parts(compared: Comparison) -> Iterator[str]:
    names = " and ".join(run.name for run in compared.runs)
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    rules = "".join(f".k{index}{{stroke:var(--c{index});fill:var(--c{index})}}" for index in range(_COLOURS))
    yield f"<title>{clean(names)}</title><style>{_STYLE}{rules}</style></head><body><h1>Runs compared</h1>"
    heads = ["", "run", "id", "pipeline", "status", "stack", "started", "seconds"]
    yield _table(heads, [
        f"<tr><th scope=row>{run.letter}</th>" + "".join(map(_cell, (run.name, run.id, run.pipeline, run.status, run.stack, _moment(run.started), _rounded(run.duration)))) + "</tr>"
        for run in compared.runs
    ], "heads")  # fmt: skip
    for note in compared.notes:
        yield f'<p class="note">{clean(note)}</p>'
    letters = [run.letter for run in compared.runs]
    if compared.is_same:
        yield "<p>Nothing differs but the time.</p>"
    for kind, rows in groupby(compared.rows, key=lambda row: row.kind):
        yield f"<h2>{_HEADS.get(kind, clean(kind))}</h2>"
        yield _table(["", *letters], [_row(row, letters) for row in rows])
    if compared.curves:
        yield '<h2>Curves</h2><div class="charts">'
        for name, curves in compared.curves.items():
            yield f"<section><h3>{clean(name)}</h3>{chart(name, curves)}</section>"
        yield "</div>"
    yield "</body></html>"


def chart(name: str, curves: object) -> str:
    """Return one metric as inline SVG: a line a run, its letter at its end."""
    drawn = [(letter, _thinned(points)) for letter, points in dict(curves).items()]  # type: ignore[call-overload]
    drawn = [(letter, points) for letter, points in drawn if points]
    if not drawn:
        return '<p class="note">no finite value</p>'
    xs = [x for _, points in drawn for x, _ in points]
    ys = [y for _, points in drawn for _, y in points]
    right, bottom = _WIDTH - 24, _HEIGHT - _BOTTOM
    low, high, start, end = min(ys), max(ys), min(xs), max(xs)

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return _LEFT + (right - _LEFT) * _share(point[0], start, end), bottom - (bottom - _TOP) * _share(point[1], low, high)  # fmt: skip

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{clean(name)}">',
        f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{high:.4g}</text>',
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">{low:.4g}</text>' if high > low else "",
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">step {start:.6g}</text>',
        f'<text x="{right}" y="{_HEIGHT - 8}" text-anchor="end">{end:.6g}</text>' if end > start else "",
    ]
    taken: list[float] = []
    for letter, points in drawn:
        colour = f"k{LETTERS.index(letter) % _COLOURS}"
        places = [at(point) for point in points]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        x, y = places[-1]
        parts.append(f'<path style="fill:none" class="{colour}" d="M{line}"><title>{letter}</title></path>')
        parts.append(f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>')
        while any(abs(y - other) < 11 for other in taken):
            y += 11
        taken.append(y)
        parts.append(
            f'<text x="{x + 7:.1f}" y="{y + 4:.1f}" style="fill:var(--c{colour[1:]})">{letter}</text>'
        )
    return "".join(parts) + "</svg>"


def _thinned(points: Points) -> list[tuple[float, float]]:
    """Return the finite points, no more than can be told apart: of each stretch the lowest and the highest."""
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    if len(finite) <= _POINTS:
        return finite
    size = math.ceil(len(finite) / (_POINTS // 2))
    kept = []
    for begin in range(0, len(finite), size):
        stretch = finite[begin : begin + size]
        kept += sorted({min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])})
    return [*kept[:-1], finite[-1]]


def _share(value: float, low: float, high: float) -> float:
    return 0.5 if high <= low else (value / 2 - low / 2) / (high / 2 - low / 2)


def _table(heads: Sequence[str], rows: Sequence[str], kind: str = "rows") -> str:
    head = "".join(f"<th scope=col>{clean(item)}</th>" for item in heads)
    return f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(row: ComparedRow, letters: Sequence[str]) -> str:
    cells = (
        _cell(value, ' class="best" title="best"' if letter in row.best else "")
        for letter, value in zip(letters, row.values, strict=True)
    )
    return (
        f"<tr{'' if row.differs else ' class=same'}><th scope=row>{clean(row.name)}</th>{''.join(cells)}</tr>"
    )


def _moment(started: str | None) -> str:
    return f"{started[:19].replace('T', ' ')} UTC" if started else ""


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _cell(value: object, marks: str = "") -> str:
    value = plain(value)
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"<td{marks}>{clean(text)}</td>"
