"""A lineage as text: a tree for the terminal, a Mermaid graph for documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .lineage import Lineage, SourceStep

_SHOWN = 12


def tree(lineage: Lineage) -> list[str]:
    """Return the way back as an indented tree, the version first; a step that comes twice is drawn once."""
    steps = {step.step: step for step in lineage.steps}
    lines = [_title(lineage)]
    lines += [f"  served by  {_server(server)}" for server in lineage.deployments]
    run = lineage.run
    if run:
        what = run.get("name") or run.get("mlflow_run_id", "")
        lines.append(
            f"  run        {what}"
            + (f" ({run['id']})" if "id" in run else "")
            + (", deleted on the tracker" if run.get("mlflow_status") == "deleted" else "")
        )
        facts = ("pipeline", "stack", "commit", "url")
        lines += [f"  {key:<10} {run[key]}" for key in facts if key in run]
    if lineage.steps:
        lines.append("")
        lines += _step_lines(lineage.steps[0], steps, set(), "")
    if lineage.left_out:
        lines.append(f"... and {lineage.left_out} further back")
    return lines


def mermaid(lineage: Lineage) -> list[str]:
    """Return the same as a Mermaid flowchart, data first and deployments last."""
    ids = {step.step: f"s{index}" for index, step in enumerate(lineage.steps)}
    lines = ["flowchart LR", f"  version[{_quoted(_title(lineage))}]"]
    lines += [f"  {ids[step.step]}([{_quoted(step.step)}])" for step in lineage.steps]
    for step in lineage.steps:
        for number, (path, item) in enumerate(step.inputs.items()):
            source = str(item.get("from", "")).rpartition(".")[0]
            label = _quoted(f"{item.get('from')} {str(item.get('digest'))[:_SHOWN]}")
            if source in ids:
                lines.append(f"  {ids[source]} -- {label} --> {ids[step.step]}")
            else:
                node = f"{ids[step.step]}d{number}"
                lines.append(f"  {node}[({label})] -- {_quoted(path)} --> {ids[step.step]}")
    if lineage.steps:
        lines.append(f"  {ids[lineage.steps[0].step]} --> version")
    lines += [
        f"  version --> d{index}{{{{{_quoted(_server(server))}}}}}"
        for index, server in enumerate(lineage.deployments)
    ]
    return lines


def _title(lineage: Lineage) -> str:
    label = f" ({lineage.version_tag})" if lineage.version_tag else ""
    return lineage.reference + label + "".join(f" @{alias}" for alias in lineage.aliases)


def _server(server: Any) -> str:
    return f"{server.name} ({server.state}{f', {server.url}' if server.url else ''})"


def _step_lines(
    step: SourceStep, steps: dict[str, SourceStep], drawn: set[str], indent: str
) -> Iterator[str]:
    known = step.step in drawn
    drawn.add(step.step)
    facts = [step.id] if step.id else []
    if step.cached_from:
        facts.append(f"cached from {step.cached_from}")
    told = f" ({', '.join(facts)})" if facts else ""
    yield f"{indent}step {step.step}{told}{', as above' if known else ''}"
    if known:
        return
    inside = f"{indent}  "
    for key, value in step.parameters.items():
        yield f"{inside}{key} = {value!r}"
    for path, item in step.inputs.items():
        source = str(item.get("from", ""))
        yield f"{inside}{path} <- {source} {str(item.get('digest', ''))[:_SHOWN]}"
        before = steps.get(source.rpartition(".")[0])
        if before is not None:
            yield from _step_lines(before, steps, drawn, f"{inside}  ")
    if not step.inputs:
        yield from (f"{inside}-> {name} {digest[:_SHOWN]}" for name, digest in step.outputs.items())


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "#quot;") + '"'
