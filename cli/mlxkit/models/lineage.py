"""The way back from a model version to the data it was made from, and forward to what serves it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from ..dataclass import dataclass
from ..errors import MlxError, NotFoundError
from ..records import Record
from ..runs.ancestry import document
from ..runs.queries import RunQueries
from ..stacks.addresses import shown_address
from ..stacks.registries import ModelRegistry, ModelVersion
from . import tags


@dataclass(frozen=True)
class SourceStep(Record):
    """One step on the way: what it was given (argument: source and digest) and what it made (output: digest)."""

    step: str
    id: str = ""
    run: str = ""
    status: str = ""
    cached_from: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Server(Record):
    """A deployment of the version on this machine."""

    name: str
    state: str
    url: str = ""


@dataclass(frozen=True)
class Lineage(Record):
    """A model version, the run and steps behind it (the step that made it first), the data, and its deployments.

    `data` maps what no step of the run was given, but made or got from outside, to its digest. `left_out` counts
    steps that are known to be there and not by name.
    """

    name: str
    version: int
    version_tag: str | None
    aliases: tuple[str, ...]
    source: str
    run: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[SourceStep, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    deployments: tuple[Server, ...] = ()
    left_out: int = 0

    @property
    def reference(self) -> str:
        """The version as commands take it."""
        return f"{self.name}:{self.version}"


def lineage_of(
    registry: ModelRegistry, queries: RunQueries, version: ModelVersion, deployments: Sequence[Server] = ()
) -> Lineage:
    """Tell where a version came from: by this project's history, or by what the version itself carries."""
    steps, left_out = steps_of(queries, version)
    return Lineage(
        name=version.name, version=version.version, version_tag=version.tags.get(tags.VERSION_TAG), aliases=version.aliases,
        source=shown_address(version.source), run=_run(registry, version), steps=steps, data=data_of(steps), deployments=tuple(deployments),
        left_out=left_out,
    )  # fmt: skip


def steps_of(queries: RunQueries, version: ModelVersion) -> tuple[tuple[SourceStep, ...], int]:
    """Return the steps behind a version, the one that made it first, and how many are known to be left out."""
    found = _from_history(queries, version) or _from_tag(version)
    left_out = found.get("left_out", 0)
    return tuple(_step(item) for item in found.get("steps", [])), left_out if isinstance(left_out, int) else 0


def data_of(steps: Sequence[SourceStep]) -> dict[str, str]:
    """Return where the way ends: what steps without inputs made, and what the pipeline's body passed in."""
    named = {step.step for step in steps}
    found: dict[str, str] = {}
    for step in steps:
        if not step.inputs:
            found |= {f"{step.step}.{output}": digest for output, digest in step.outputs.items()}
        for path, item in step.inputs.items():
            if str(item.get("from", "")).rpartition(".")[0] not in named:
                found[f"{step.step}({path})"] = str(item.get("digest", ""))
    return found


def _from_history(queries: RunQueries, version: ModelVersion) -> Mapping[str, Any]:
    """Return the whole of it when the run is known here: a tag may have had no room for all."""
    run, step = version.tags.get(tags.RUN_ID), version.tags.get(tags.STEP)
    if not run or not step:
        return {}
    try:
        steps = list(queries.steps(queries.get(run).id))
    except NotFoundError:
        return {}
    return _parsed(document(steps, step, longest=None))


def _from_tag(version: ModelVersion) -> Mapping[str, Any]:
    found = _parsed(version.tags.get(tags.LINEAGE, ""))
    if not found.get("steps") and version.tags.get(tags.STEP):
        return {"steps": [{"step": version.tags[tags.STEP], "id": version.tags.get(tags.STEP_RUN_ID, "")}]}
    return found


def _step(item: Mapping[str, Any]) -> SourceStep:
    """Return a step of a document, without what does not belong there: others can write tags."""
    texts = {key: str(item[key]) for key in ("step", "id", "run", "status", "cached_from") if item.get(key)}
    inputs = {str(key): value for key, value in _mapping(item, "inputs").items() if isinstance(value, dict)}
    outputs = {str(key): str(value) for key, value in _mapping(item, "outputs").items()}
    return SourceStep(
        **{"step": "", **texts}, parameters=_mapping(item, "parameters"), inputs=inputs, outputs=outputs
    )


def _mapping(item: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = item.get(key)
    return dict(found) if isinstance(found, dict) else {}


def _parsed(text: str) -> Mapping[str, Any]:
    """Return a document; a tag that others have changed may hold anything."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    steps = found.get("steps") if isinstance(found, dict) else None
    if not isinstance(steps, list) or not all(isinstance(item, dict) and "step" in item for item in steps):
        return {}
    return dict(found)


def _run(registry: ModelRegistry, version: ModelVersion) -> dict[str, str]:
    kept = {
        "id": tags.RUN_ID, "name": tags.RUN_NAME, "pipeline": tags.PIPELINE, "stack": tags.STACK,
        "commit": tags.COMMIT, "code_digest": tags.CODE_DIGEST,
    }  # fmt: skip
    found = {key: version.tags.get(tag, "") for key, tag in kept.items()}
    found["mlflow_run_id"] = version.run_id
    if version.run_id:
        try:
            run = registry.run(version.run_id)
        except MlxError:
            pass  # gone, or not for these eyes
        else:
            found |= {"url": run.url, "mlflow_status": "deleted" if run.is_deleted else ""}
    return {key: value for key, value in found.items() if value}
