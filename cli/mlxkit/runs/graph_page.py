"""A run's graph as one page: nothing is fetched, nothing foreign runs, and it reads without scripts, too."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..secrets.masking import mask_text
from .graph import GraphArtifact, GraphStep, RunGraph
from .graph_fold import Drawing, Node, drawing
from .graph_svg import clean, parts, style
from .graph_text import seconds, size

_TEXT, _VALUE, _ROWS = 4000, 300, 60  # characters of an error, of a value, and rows of a table

_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--text:#1c2024;--soft:#5b6470;--rule:#dde1e6;--panel:#f6f7f9;--link:#0b57c2}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--text:#e6e8eb;--soft:#9aa3ae;--rule:#30353b;--panel:#1d2024;--link:#7db1ff}}
*{box-sizing:border-box}html,body{margin:0;height:100%}
body{display:flex;flex-direction:column;font:14px/1.45 system-ui,sans-serif;background:var(--paper);color:var(--text)}
a{color:var(--link)}header{padding:12px 18px;border-bottom:1px solid var(--rule)}
h1{font-size:17px;margin:0 0 2px;overflow-wrap:anywhere}h2{font-size:15px;margin:0 0 8px;overflow-wrap:anywhere}h3{font-size:12px;margin:16px 0 4px;color:var(--soft);text-transform:uppercase;letter-spacing:.04em}
header p{margin:0;color:var(--soft)}header .bad{color:inherit;overflow-wrap:anywhere}
main{flex:1;display:flex;min-height:0}
.view{flex:1;position:relative;min-width:0;display:flex}
.canvas{flex:1;overflow:auto;padding:8px;cursor:grab}.canvas svg{display:block;margin:0 auto}.canvas.held{cursor:grabbing;user-select:none}
.zoom{position:absolute;right:22px;bottom:18px;display:none;gap:4px}.live .zoom{display:flex}
.zoom button{font:inherit;min-width:34px;height:32px;border:1px solid var(--rule);border-radius:6px;background:var(--panel);color:var(--text);cursor:pointer}
aside{width:380px;flex:none;overflow:auto;border-left:1px solid var(--rule);background:var(--panel);padding:14px 18px}
aside section,aside .hint{display:none}aside section.shown,body:not(.live) aside section:target,.live:not(.picked) .hint,body:not(.live) aside:not(:has(section:target)) .hint{display:block}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:3px 8px 3px 0;border-bottom:1px solid var(--rule);overflow-wrap:anywhere}th{font-weight:500;color:var(--soft);white-space:nowrap}
pre{margin:0;padding:8px;border:1px solid var(--rule);border-radius:6px;background:var(--paper);overflow:auto;max-height:340px;font:12px/1.4 ui-monospace,monospace}
.canvas a{outline:none}.canvas a:focus-visible rect,.canvas a:hover rect{stroke-width:3}.canvas a.chosen rect{stroke-width:3}
@media (max-width:760px){main{flex-direction:column}aside{width:auto;max-height:45%;border-left:0;border-top:1px solid var(--rule)}}
@media print{aside{display:none}.canvas{overflow:visible}}
"""

_SCRIPT = """
(function(){
var box=document.querySelector('.canvas'),svg=box.querySelector('svg'),w=+svg.getAttribute('width'),h=+svg.getAttribute('height'),scale=1;
document.body.classList.add('live');
function zoom(to,x,y){to=Math.min(3,Math.max(.15,to));var r=to/scale;x=x===undefined?box.clientWidth/2:x;y=y===undefined?box.clientHeight/2:y;
var l=(box.scrollLeft+x)*r-x,t=(box.scrollTop+y)*r-y;scale=to;svg.setAttribute('width',w*to);svg.setAttribute('height',h*to);box.scrollLeft=l;box.scrollTop=t;}
function fit(){zoom(Math.min(1,(box.clientWidth-20)/w,(box.clientHeight-20)/h));}
function on(id,what){document.getElementById(id).addEventListener('click',what);}
on('in',function(){zoom(scale*1.25);});on('out',function(){zoom(scale/1.25);});on('fit',fit);on('one',function(){zoom(1);});
box.addEventListener('wheel',function(e){if(!e.ctrlKey&&!e.metaKey)return;e.preventDefault();var r=box.getBoundingClientRect();zoom(scale*(e.deltaY<0?1.1:1/1.1),e.clientX-r.left,e.clientY-r.top);},{passive:false});
var held=null;
box.addEventListener('pointerdown',function(e){if(e.button===0&&!e.target.closest('a'))held={x:e.clientX+box.scrollLeft,y:e.clientY+box.scrollTop};if(held)box.classList.add('held');});
window.addEventListener('pointermove',function(e){if(held){box.scrollLeft=held.x-e.clientX;box.scrollTop=held.y-e.clientY;}});
window.addEventListener('pointerup',function(){held=null;box.classList.remove('held');});
var links=[].slice.call(svg.querySelectorAll('a'));
function show(hash){var found=null;
[].forEach.call(document.querySelectorAll('aside section'),function(part){var is='#'+part.id===hash;part.classList.toggle('shown',is);if(is)found=part;});
document.body.classList.toggle('picked',!!found);links.forEach(function(a){a.classList.toggle('chosen',a.getAttribute('href')===hash);});
if(found)found.parentNode.scrollTop=0;}
document.addEventListener('click',function(e){var a=e.target.closest('a'),to=a&&a.getAttribute('href');if(!to||to[0]!=='#')return;e.preventDefault();show(to);
try{history.replaceState(null,'',to);}catch(ignored){}});
window.addEventListener('hashchange',function(){show(location.hash);});show(location.hash);
svg.addEventListener('keydown',function(e){var at=links.indexOf(document.activeElement),to={ArrowDown:1,ArrowRight:1,ArrowUp:-1,ArrowLeft:-1}[e.key];
if(at<0||!to)return;e.preventDefault();var next=links[at+to];if(next)next.focus();});
document.addEventListener('keydown',function(e){if(e.ctrlKey||e.metaKey||e.altKey)return;if(e.key==='+')zoom(scale*1.25);else if(e.key==='-')zoom(scale/1.25);else if(e.key==='0')fit();else if(e.key==='Escape')show('');});
var all=Math.min((box.clientWidth-20)/w,(box.clientHeight-20)/h);if(all<1)zoom(Math.max(all,Math.min(1,(box.clientWidth-20)/w),.6));
})();
"""


def page(graph: RunGraph, *, logs: Mapping[str, str] | None = None) -> str:
    """Return the whole document; `logs` are the last lines that steps printed, by step.

    A step is a link to its details, which the style sheet shows. With the script the link is not followed, because in a
    frame, as MLflow shows the page, it would lead out of the page; and one can zoom, pan and go from step to step by keys.
    """
    picture = drawing(graph)
    look = style() + _STYLE
    body, width, height = parts(picture, link="s")
    policy = f"default-src 'none'; style-src '{_hash(look)}'; script-src '{_hash(_SCRIPT)}'; base-uri 'none'; form-action 'none'"
    lines = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">',
        f"<title>{clean(graph.run.name)}</title><style>{look}</style></head><body>",
        *_header(graph, picture),
        '<main><div class="view"><div class="canvas" tabindex="0" aria-label="Graph of the run">',
        f'<svg width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">',
        *body,
        '</svg></div><div class="zoom"><button id="out" aria-label="Smaller">−</button>'
        '<button id="in" aria-label="Larger">+</button><button id="one">100%</button><button id="fit">Fit</button></div></div>',
        '<aside aria-live="polite">',
        *_hint(picture),
    ]
    for position, node in enumerate(picture.nodes):
        lines += _details(picture, position, node, logs or {})
    lines.append(f"</aside></main><script>{_SCRIPT}</script></body></html>\n")
    return "\n".join(lines)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _header(graph: RunGraph, picture: Drawing) -> Iterator[str]:
    run = graph.run
    began = str(run.to_dict()["started"] or "").replace("T", " ")[:19]
    took = f", {seconds(run.duration)}" if run.duration is not None else ""
    yield f"<header><h1>{clean(run.name)}</h1>"
    yield f"<p>{clean(run.status)}{took} · pipeline {clean(run.pipeline)} · stack {clean(run.stack)} · {began} UTC · {clean(run.id)}</p>"
    counts: dict[str, int] = {}
    for step in graph.steps:
        counts[step.status] = counts.get(step.status, 0) + 1
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    yield f"<p>{len(graph.steps)} step{'s' * (len(graph.steps) != 1)}: {clean(told or 'none')}</p>"
    failed = [
        f'<a href="#s{position}">{clean(node.label)}</a>'
        for position, node in enumerate(picture.nodes)
        if node.step.status == "failed"
    ]
    if failed:
        yield f'<p class="bad">failed: {", ".join(failed)}</p>'
    elif run.error:
        yield f'<p class="bad">{clean(_cut(run.error, _TEXT))}</p>'
    yield "</header>"


def _hint(picture: Drawing) -> Iterator[str]:
    yield '<div class="hint"><h2>Details</h2><p>Choose a step to see what became of it.</p>'
    yield "<p>Drag or scroll to move; Ctrl and wheel, or + and -, to zoom; 0 shows all. Tab and the arrow keys go from step to step.</p></div>"
    if not picture.nodes:
        yield "<p>This run has no steps.</p>"


def _details(picture: Drawing, position: int, node: Node, logs: Mapping[str, str]) -> Iterator[str]:
    step = node.step
    yield f'<section id="s{position}"><h2>{clean(node.label)}</h2>'
    if len(node.members) > 1:
        yield from _members(node.members)
    else:
        yield from _one(step, logs.get(step.name, ""))
    for title, others, pairs in (
        ("From", picture.parents[position], lambda other: (other, position)),
        ("To", picture.children[position], lambda other: (position, other)),
    ):
        if others:
            rows = [
                (
                    picture.nodes[other].label,
                    f"#s{other}",
                    ", ".join(picture.labels[pairs(other)][:8]) or "waited for",
                )
                for other in others
            ]
            yield (
                f"<h3>{title}</h3><table>"
                + "".join(
                    f'<tr><td><a href="{href}">{clean(label)}</a></td><td>{clean(what)}</td></tr>'
                    for label, href, what in rows[:_ROWS]
                )
                + _more(len(rows), 2)
                + "</table>"
            )
    yield "</section>"


def _one(step: GraphStep, log: str) -> Iterator[str]:
    facts = {
        "state": step.status,
        "time": seconds(step.duration) if step.status not in ("skipped", "cached") else "",
        "started": str(step.started or "").replace("T", " ")[:19] + " UTC",
        "why": step.reason,
        "attempts": str(step.attempts) if step.attempts > 1 else "",
        "cached from": step.cached_from,
    }
    rows = [
        f"<tr><th>{name}</th><td>{clean(_cut(text, _VALUE))}</td></tr>"
        for name, text in facts.items()
        if text
    ]
    if step.url:
        shown = clean(_cut(step.url, _VALUE))
        is_link = step.url.startswith(("http://", "https://"))
        link = (
            f'<a href="{clean(step.url)}" target="_blank" rel="noopener noreferrer">{shown}</a>'
            if is_link
            else shown
        )
        rows.append(f"<tr><th>tracker</th><td>{link}</td></tr>")
    yield f"<table>{''.join(rows)}</table>"
    if step.error:
        yield f'<h3>Error</h3><pre tabindex="0">{clean(_tail(step.error))}</pre>'
    if step.parameters:
        yield "<h3>Parameters</h3>" + _table((key, _value(value)) for key, value in step.parameters.items())
    if step.artifacts:
        yield "<h3>Artifacts</h3>" + _table((item.name, _artifact(item)) for item in step.artifacts)
    log = log.rstrip().removesuffix(step.error.rstrip()).rstrip()  # where an error is written to, too
    if log:
        yield f'<h3>Last lines printed</h3><pre tabindex="0">{clean(_tail(mask_text(log)))}</pre>'


def _members(steps: Sequence[GraphStep]) -> Iterator[str]:
    total = sum(step.duration for step in steps)
    yield f"<p>{len(steps)} steps alike: {clean(steps[0].status)}, {seconds(total)} in all.</p>"
    yield _table((step.name, seconds(step.duration)) for step in steps)


def _table(pairs: Any) -> str:
    rows = [f"<tr><th>{clean(_cut(name, 80))}</th><td>{clean(text)}</td></tr>" for name, text in pairs]
    return f"<table>{''.join(rows[:_ROWS])}{_more(len(rows), 2)}</table>"


def _more(count: int, columns: int) -> str:
    return f'<tr><td colspan="{columns}">and {count - _ROWS} more</td></tr>' if count > _ROWS else ""


def _artifact(item: GraphArtifact) -> str:
    shape = ", ".join(f"{key} {_value(value)}" for key, value in item.summary.items() if key != "code")
    return _cut(
        f"{item.type}, {size(item.size)}" + (f", {shape}" if shape else "") + f", {item.digest[:12]}", _VALUE
    )


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return _cut(text, _VALUE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def _tail(text: str) -> str:
    """Return the end of a long text: what went wrong is said last."""
    return text if len(text) <= _TEXT else f"…{text[-_TEXT:]}"
