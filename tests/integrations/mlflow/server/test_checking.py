"""What is written is held against a schema that takes nothing more than it describes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from mlxkit.integrations.mlflow.server.checking import problems
from mlxkit.integrations.mlflow.server.compose import compose_project
from mlxkit.integrations.mlflow.server.image import Served
from mlxkit.integrations.mlflow.server.kubernetes import manifests

VOLUME = Served("team", "team_admin", "mlflow-team:3.17.2", "", ("team.example",))
BUCKET = Served("team", "team_admin", "mlflow-team:3.17.2", "gs://bucket/path", (), namespace="ml")
# What is named by people may be called anything, so that another key there is no mistake.
OPEN = ("labels", "environment", "data", "requests", "limits", "selector", "matchLabels", "volumes", "configs",
        "secrets", "depends_on")  # fmt: skip


def maps(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every map in data."""
    if isinstance(data, dict):
        yield path
        for key, value in data.items():
            yield from maps(value, (*path, key))
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from maps(value, (*path, position))


def dig(data: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        data = data[part]
    return data


def documents(served: Served) -> list[tuple[str, str | None, Any]]:
    found: list[tuple[str, str | None, Any]] = [("compose", None, compose_project(served))]
    return [*found, *(("kubernetes", item["kind"], item) for item in manifests(served, "[mlflow]\n"))]


@pytest.mark.parametrize("served", [VOLUME, BUCKET], ids=["volume", "bucket"])
def test_what_is_written_fits_its_schema_and_no_key_more_does(served: Served) -> None:
    tried = 0
    for schema, part, data in documents(served):
        assert problems(data, schema, part) == []
        for path in maps(data):
            if path and path[-1] in OPEN and isinstance(dig(data, path), dict):
                continue
            wrong = copy.deepcopy(json.loads(json.dumps(data)))
            dig(wrong, path)["surprise"] = "x"
            assert any("surprise" in problem for problem in problems(wrong, schema, part)), path
            tried += 1
    assert tried > 60


@pytest.mark.parametrize("served", [VOLUME, BUCKET], ids=["volume", "bucket"])
def test_no_value_of_another_type_passes(served: Served) -> None:
    for schema, part, data in documents(served):
        for path in maps(data):
            for key, value in dig(data, path).items():
                wrong = json.loads(json.dumps(data))
                dig(wrong, path)[key] = 7 if isinstance(value, (str, list, dict, bool)) else "seven"
                assert problems(wrong, schema, part), (path, key)


def test_a_name_that_leaves_no_room_for_the_labels_of_kubernetes_is_found() -> None:
    longest = Served("n" * 100, "s", "i:1", "", ())
    for item in manifests(longest, ""):
        assert problems(item, "kubernetes", item["kind"]) == []
    [database] = [item for item in manifests(longest, "") if item["kind"] == "StatefulSet"]
    assert len(database["metadata"]["name"]) <= 52
    database["metadata"]["name"] = "n" * 53
    assert "longer than 52" in problems(database, "kubernetes", "StatefulSet")[0]


def test_a_database_is_ready_when_it_answers_over_tcp() -> None:
    test = compose_project(VOLUME)["services"]["database"]["healthcheck"]["test"]
    assert test[test.index("-h") + 1] == "127.0.0.1"
    [database] = [item for item in manifests(VOLUME, "") if item["kind"] == "StatefulSet"]
    [container] = database["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        command = container[probe]["exec"]["command"]
        assert command[command.index("-h") + 1] == "127.0.0.1"


def test_a_service_with_secrets_of_the_environment_is_not_read_only_which_compose_refuses() -> None:
    project = compose_project(VOLUME)
    assert {"environment"} == {key for secret in project["secrets"].values() for key in secret}
    project["services"]["server"]["read_only"] = True
    assert "'read_only'" in problems(project, "compose")[0]


def test_wrong_words_and_what_is_missing_are_named() -> None:
    project = compose_project(VOLUME)
    project["services"]["server"]["restart"] = "allways"
    project["services"]["server"]["ports"] = ["0.0.0.0:5000:5000"]
    del project["services"]["database"]["healthcheck"]
    project["services"]["database"]["helthcheck"] = {}
    told = "\n".join(problems(project, "compose"))
    for words in (
        "'allways' is none of no",
        "0.0.0.0:5000",
        "healthcheck is missing",
        "did you mean 'healthcheck'?",
    ):
        assert words in told
    assert "not described" in problems({}, "kubernetes", "DaemonSet")[0]
    server = manifests(VOLUME, "")[-2]
    server["spec"]["template"]["spec"]["containers"][0]["env"][0]["valueFrom"] = {
        "secretKeyRef": {"name": "a", "key": "b"}
    }
    assert "exactly one of value, valueFrom" in problems(server, "kubernetes", "Deployment")[0]
