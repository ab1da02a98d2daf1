"""A run as a graph: its steps, what went from one to another, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from ..dataclass import dataclass
from ..records import Record, plain
from ..secrets.masking import mask_text
from .queries import RunQueries
from .records import TRACKER_LINK, OutputRecord, RunRecord, StepRecord


@dataclass(frozen=True)
class GraphArtifact(Record):
    """An output of a step, without its content; `size` is in bytes."""

    name: str
    type: str
    size: int
    digest: str
    materializer: str
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphStep(Record):
    """A step as a node; `duration` is in seconds, `url` leads to the experiment tracker."""

    name: str
    status: str
    started: str | None
    duration: float
    attempts: int = 1
    cached_from: str = ""
    reason: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[GraphArtifact, ...] = ()
    error: str = ""
    url: str = ""


@dataclass(frozen=True)
class GraphEdge(Record):
    """`target` got `source`'s artifacts: each as `output -> argument`; without any it only waited."""

    source: str
    target: str
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunGraph(Record):
    """A run's steps in the order they were called, and the edges between them."""

    run: RunRecord
    steps: tuple[GraphStep, ...]
    edges: tuple[GraphEdge, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the run's name and state at the top, nodes and edges below."""
        run = self.run.to_dict()
        kept = ("id", "name", "pipeline", "stack", "status", "started", "ended", "duration", "error")
        return {
            "schema_version": run["schema_version"],
            **{key: run[key] for key in kept},
            "steps": [plain(step) for step in self.steps],
            "edges": [plain(edge) for edge in self.edges],
        }


def graph_of_run(queries: RunQueries, reference: str) -> RunGraph:
    """Return the graph of a run by id, name, tracker run id or `latest`; raises NotFoundError."""
    run = queries.get(reference)
    return graph_of(run, queries.steps(run.id))


def graph_of(run: RunRecord, steps: Sequence[StepRecord]) -> RunGraph:
    """Return the graph of a run and its steps, with every secret that this process knows masked."""
    names = {step.name for step in steps}
    shown = replace(run, parameters=_masked(run.parameters), error=mask_text(run.error))
    return RunGraph(
        shown,
        tuple(_node(step) for step in steps),
        tuple(edge for step in steps for edge in _edges(step, names)),
    )


def _node(step: StepRecord) -> GraphStep:
    data = step.to_dict()
    return GraphStep(
        name=mask_text(step.name), status=step.status, started=data["started"], duration=data["duration"],
        attempts=step.attempts, cached_from=step.cached_from, reason=mask_text(step.reason),
        parameters=_masked(step.parameters), artifacts=tuple(map(_artifact, step.outputs)),
        error=mask_text(step.error), url=mask_text(str(step.metadata.get(TRACKER_LINK) or "")),
    )  # fmt: skip


def _artifact(output: OutputRecord) -> GraphArtifact:
    return GraphArtifact(
        mask_text(output.name), output.type, output.size, output.digest, output.materializer, _masked(output.summary)
    )  # fmt: skip


def _edges(step: StepRecord, names: set[str]) -> Iterator[GraphEdge]:
    """Yield one edge for each step that this one got something from, or waited for."""
    found: dict[str, dict[str, None]] = {}
    for path, item in _sources(step.inputs):
        label = found.setdefault(str(item["step"]), {})
        if "digest" in item:
            output = str(item.get("from", "")).removeprefix(f"{item['step']}.")
            label[f"{output} -> {path}"] = None
    for source, labels in found.items():
        if source in names and source != step.name:
            yield GraphEdge(mask_text(source), mask_text(step.name), tuple(map(mask_text, labels)))


def _sources(tree: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(tree, Mapping):
        if isinstance(tree.get("step"), str) and isinstance(tree.get("from"), str):
            if tree["step"]:  # a value of the pipeline's own has none
                yield path, tree
            return
        for key, item in tree.items():
            yield from _sources(item, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, (list, tuple)):
        for index, item in enumerate(tree):
            yield from _sources(item, f"{path}[{index}]")


def _masked(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {mask_text(key): _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value
