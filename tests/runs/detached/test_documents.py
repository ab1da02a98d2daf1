"""What a document of a run may say: whoever can write to the store can write one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxkit.artifacts.errors import UntrustedCodeError
from mlxkit.artifacts.io import load
from mlxkit.errors import MlxError
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
from mlxkit.runs.detached.documents import document_of, error_document, take_document
from mlxkit.runs.detached.place import Place, detached_running
from mlxkit.runs.history import History
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import OutputRecord, RunRecord, StepRecord, artifact_of
from mlxkit.runs.tagging import add_tags
from mlxkit.stacks.resolve import ResolvedComponent

PLACE = Place("r1", "mlx-r1", "http://cluster:8265", "cluster", "team", is_here=False)
RUN = RunRecord("r1", "train-1", "train", "team", "running", 10.0, tags=("nightly",))
DIGEST = "ab" * 32
Told = dict[str, Any]


@pytest.fixture
def laptop(home: Path) -> Iterator[History]:
    """A history with a run that was submitted, one of this machine that is over, and one that goes on."""
    history = History(home / "laptop")
    history.begin_run(replace(RUN, metadata=PLACE.noted()), {}, "")
    history.begin_run(replace(RUN, id="done", name="done"), {}, "")
    history.record_step(
        StepRecord("sdone", "done", "load", 0, "completed", 1.0, 2.0, outputs=(OutputRecord("o", DIGEST, "json", "int", 2),))
    )  # fmt: skip
    history.finish_run("done", "completed")
    history.begin_run(replace(RUN, id="mine", name="mine"), {}, "")
    yield history
    history.close()


@pytest.fixture
def told(home: Path) -> Told:
    """What the job says, with a step whose pickled output has a cache key."""
    history = History(home / "job")
    history.begin_run(RUN, {"python": "3.11"}, "e1")
    output = OutputRecord("o", DIGEST, "cloudpickle", "object", 2, uri=f"ab/{DIGEST}")
    history.record_step(
        StepRecord("s1", "r1", "load", 0, "completed", 1.0, 2.0, cache_key="key", outputs=(output,))
    )
    document = document_of(history, "r1")
    history.close()
    assert document is not None
    said: Told = json.loads(document)
    return said


def _dump(history: History) -> list[str]:
    return [line for line in history.connection.iterdump() if "r1" not in line]


def _take(history: History, told: Any) -> None:
    take_document(history, json.dumps(told).encode(), PLACE)


def _add_run(told: Told) -> None:
    told["tables"]["runs"].append({**told["tables"]["runs"][0], "id": "done", "status": "failed"})


def _be_done(told: Told) -> None:
    told["run"] = told["tables"]["runs"][0]["id"] = "done"


def _be_mine(told: Told) -> None:
    told["run"] = told["tables"]["runs"][0]["id"] = "mine"
    for row in (*told["tables"]["steps"], *told["tables"]["run_tags"]):
        row["run_id"] = "mine"


def _step_of_another(told: Told) -> None:
    told["tables"]["steps"][0]["run_id"] = "done"


def _step_with_anothers_id(told: Told) -> None:
    told["tables"]["steps"][0]["id"] = told["tables"]["outputs"][0]["step_id"] = "sdone"


def _output_of_another(told: Told) -> None:
    told["tables"]["outputs"][0]["step_id"] = "sdone"


def _output_elsewhere(told: Told) -> None:
    told["tables"]["outputs"][0]["uri"] = "../../../etc/passwd"


def _tag_of_another(told: Told) -> None:
    told["tables"]["run_tags"].append({"run_id": "done", "tag": "evil"})


@pytest.mark.parametrize(
    "change",
    [
        _add_run, _be_done, _be_mine, _step_of_another, _step_with_anothers_id, _output_of_another,
        _output_elsewhere, _tag_of_another,
    ],
)  # fmt: skip
def test_a_document_says_nothing_of_another_run(
    laptop: History, told: Told, change: Callable[[Told], None]
) -> None:
    before = _dump(laptop)
    change(told)
    with pytest.raises(MlxError):
        _take(laptop, told)
    assert _dump(laptop) == before
    assert RunQueries(laptop).get("r1").status == "running"


def test_an_error_ends_no_run_of_this_machine(laptop: History) -> None:
    with pytest.raises(MlxError, match="not its own"):
        take_document(laptop, error_document("mine", "ended by a stranger"), PLACE)
    assert RunQueries(laptop).get("mine").status == "running"


@pytest.mark.parametrize("run_id", ["r1", "fresh"])
def test_who_is_asked_about_a_run_is_never_taken_from_its_document(
    laptop: History, told: Told, run_id: str
) -> None:
    """A cluster's token is sent to where a run is said to go on."""
    told["run"] = told["tables"]["runs"][0]["id"] = run_id
    for row in (*told["tables"]["steps"], *told["tables"]["run_tags"]):
        row["run_id"] = run_id
    evil = replace(PLACE, run=run_id, address="http://evil:8265", job="x")
    told["tables"]["runs"][0]["metadata"] = json.dumps(evil.noted())
    _take(laptop, told)
    assert run_id in {run.id for run in detached_running(laptop)}
    assert {Place.of(run) for run in detached_running(laptop)} == {PLACE}


def test_a_pickle_that_came_with_a_document_is_not_loaded_unless_the_store_is_trusted(
    laptop: History, told: Told, home: Path
) -> None:
    _take(laptop, told)
    found = laptop.find_cached("key")
    assert found is not None
    store = LocalArtifactStore(
        ResolvedComponent("artifact_store", "s", "local", {"path": str(home / "s")}), laptop.state_dir
    )
    path = home / "s" / "ab" / DIGEST
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no pickle")
    with pytest.raises(UntrustedCodeError, match="written by job mlx-r1 in run r1"):
        load(artifact_of(found.outputs[0]), store)


def test_what_is_kept_of_our_own_environments_is_never_meant(laptop: History, told: Told) -> None:
    """A digest that a later run of this machine will have must not stand for something else by then."""
    _take(laptop, told)
    laptop.begin_run(replace(RUN, id="later", name="later"), {"python": "3.13"}, "e1")
    queries = RunQueries(laptop)
    assert queries.environment(queries.get("r1")) == {"python": "3.11"}
    assert queries.environment(queries.get("later")) == {"python": "3.13"}


def test_tags_that_were_given_here_meanwhile_stay(laptop: History, told: Told) -> None:
    told["tables"]["run_tags"].append({"run_id": "r1", "tag": "kind=old"})
    add_tags(laptop, "r1", ["keep", "kind=new"])
    for _ in range(2):
        _take(laptop, told)
        assert set(RunQueries(laptop).get("r1").tags) == {"nightly", "keep", "kind=new"}


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("runs", "metadata", "{"), ("runs", "metadata", "[]"), ("runs", "name", [1]), ("runs", "name", {}),
        ("runs", "name", "\ud800"), ("runs", "started", "now"), ("runs", "started", 1e300), ("runs", "status", "odd"),
        ("runs", "name", None), ("steps", "position", 1 << 80), ("steps", "position", True), ("steps", "id", "../x"),
        ("steps", "parts", "[" * 100_000), ("outputs", "inline", {"base64": "%"}), ("outputs", "inline", {}),
        ("outputs", "digest", "../x"), ("environments", "body", "{"),
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_an_error_and_changes_nothing(
    laptop: History, told: Told, table: str, column: str, value: object
) -> None:
    before = _dump(laptop)
    told["tables"][table][0][column] = value
    with pytest.raises(MlxError, match="cannot be read"):
        _take(laptop, told)
    assert _dump(laptop) == before


@pytest.mark.parametrize(
    "content",
    [[1], {"version": 1, "run": "r1", "tables": []}, {"version": "1", "run": "r1"}, {"version": 1, "run": "../r1"},
     {"version": 1, "run": "r1", "error": {}}, {"version": 1, "run": "r1", "tables": {"runs": {}}},
     {"version": 1, "run": "r1", "tables": {"runs": [1]}}],
)  # fmt: skip
def test_what_is_no_document_is_an_error(laptop: History, content: object) -> None:
    with pytest.raises(MlxError):
        _take(laptop, content)
    assert RunQueries(laptop).get("r1").status == "running"
