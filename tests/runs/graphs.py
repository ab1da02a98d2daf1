"""Runs to draw: records made by hand, as history would hand them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlxkit.runs.graph import RunGraph, graph_of
from mlxkit.runs.records import OutputRecord, RunRecord, StepRecord

HOSTILE = '"</script><img src=x onerror=alert(1)>&amp;#quot; \\ \x1b[31m \u202e end'


def run(**fields: Any) -> RunRecord:
    """A run that is over."""
    given = {
        "id": "r1",
        "name": "train-1",
        "pipeline": "train",
        "stack": "s",
        "status": "completed",
        **fields,
    }
    return RunRecord(started=1_700_000_000.0, ended=1_700_000_003.5, **given)


def step(name: str, parents: Sequence[str] = (), *, status: str = "completed", **fields: Any) -> StepRecord:
    """A step that got the output of each parent."""
    inputs: Mapping[str, Any] = {
        f"arg{index}": {
            "from": f"{parent}.output", "step": parent, "digest": "d" * 64, "type": "int", "summary": {},
        }
        for index, parent in enumerate(parents)
    }  # fmt: skip
    output = OutputRecord("output", "abc" * 20, "json", "int", 3, summary={"length": 3})
    given = {"inputs": inputs, "outputs": (output,) if status in ("completed", "cached") else (), **fields}
    return StepRecord(
        id=f"id-{name}", run_id="r1", name=name, position=0, status=status, started=1_700_000_000.0,
        ended=1_700_000_001.25, **given,
    )  # fmt: skip


def graph(*steps: StepRecord, **fields: Any) -> RunGraph:
    """The graph of these steps."""
    return graph_of(run(**fields), steps)


def diamond() -> RunGraph:
    """One step, two that use it, one that uses both."""
    return graph(
        step("load"), step("left", ["load"]), step("right", ["load"]), step("join", ["left", "right"])
    )


def fan(width: int) -> RunGraph:
    """One step, many that use it, one that uses all of those."""
    middle = [step(f"score_{index}", ["load"]) for index in range(width)]
    return graph(step("load"), *middle, step("reduce", [item.name for item in middle]))


def chain(length: int) -> RunGraph:
    """Steps in a row."""
    return graph(*(step(f"s{index}", [f"s{index - 1}"] if index else []) for index in range(length)))
