"""The lists of ZenML's client: pages, filters with operators, sorting, and what is refused by name."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from mlxkit.errors import NotFoundError, UsageError
from mlxkit.pipelines.session import Session

pytestmark = pytest.mark.usefixtures("session")


def some_runs(count: int) -> list[str]:
    from zenml import pipeline, step  # type: ignore[import-not-found]

    @step
    def train(n: int) -> Annotated[int, "clf"]:
        return n

    @pipeline(tags=["nightly"])
    def training(n: int) -> None:
        train(n)

    return [training.with_options(run_name=f"zz-{n}")(n).name for n in range(count)]


def test_pages_are_walked_through_to_their_end() -> None:
    from zenml.client import Client

    made = some_runs(5)
    client, seen, page = Client(), [], 1
    while True:
        found = client.list_pipeline_runs(size=2, page=page)
        assert (found.total, found.index, found.max_size, found.total_pages) == (5, page, 2, 3)
        if not found.items:
            break
        seen += [item.name for item in found]
        page += 1
    assert page == 4
    assert seen == made[::-1]
    assert len(client.list_pipeline_runs(size=2)) == 2
    assert client.list_pipeline_runs()[0].name == made[-1]
    with pytest.raises(UsageError, match=r"list_pipeline_runs\(page=0\)"):
        client.list_pipeline_runs(page=0)


def test_sorting_and_filters_are_the_querys_own() -> None:
    from zenml.client import Client
    from zenml.enums import ExecutionStatus

    some_runs(25)
    client = Client()

    def names(**filters: Any) -> list[str]:
        return [item.name for item in client.list_pipeline_runs(**filters)]

    assert names(sort_by="asc:created", size=2) == ["zz-0", "zz-1"]
    assert names(sort_by="created", size=1) == ["zz-0"]
    assert names(sort_by="desc:name", size=2) == ["zz-9", "zz-8"]
    assert names(name="zz-0") == ["zz-0"]  # not among the newest 20
    assert names(name="startswith:zz-2", sort_by="asc:created") == ["zz-2", *(f"zz-2{n}" for n in range(5))]
    assert names(name="endswith:-3") == ["zz-3"]
    assert names(name="contains:z-1", size=1, sort_by="asc:created") == ["zz-1"]
    assert names(name="equals:zz-4") == ["zz-4"]
    assert len(names(tags=["nightly"], size=50)) == len(names(tag="startswith:night", size=50)) == 25
    assert names(tags=["nosuchtag"]) == []
    assert len(names(status=ExecutionStatus.COMPLETED, pipeline_name="training", size=50)) == 25
    for wrong, said in (
        ({"user": "me"}, r"list_pipeline_runs\(user=\.\.\.\) is not supported by mlx"),
        ({"pipelin": "p"}, "did you mean 'pipeline'"),
        ({"sort_by": "desc:mood"}, "sort_by='desc:mood'.*asc: or desc: and one of created"),
        ({"name": "oneof:[1]"}, "there are equals"),
        ({"logical_operator": "or"}, "all filters hold"),
    ):
        with pytest.raises(UsageError, match=said):
            client.list_pipeline_runs(**wrong)


def test_not_equal_is_whatever_else_there_is() -> None:
    from zenml import pipeline, save_artifact, step
    from zenml.client import Client

    @step
    def train(n: int) -> Annotated[int, "clf"]:
        return n

    @pipeline
    def training(n: int) -> None:
        train(n)

    for n, tags in enumerate([["prod", "eu"], ["eu"], [], ["prod"]]):
        training.with_options(run_name=f"zz-{n}", tags=tags)(n)
    save_artifact([1], "thing", version="gold", tags=["good", "x"])
    save_artifact([2], "thing", tags=["x"])
    save_artifact([3], "thing")
    client = Client()

    def names(**filters: Any) -> list[str]:
        return [item.name for item in client.list_pipeline_runs(pipeline_name="training", **filters)]

    def values(**filters: Any) -> list[Any]:
        return [item.load() for item in client.list_artifact_versions(**filters)]

    assert names(tag="notequals:prod") == ["zz-2", "zz-1"]
    assert names(tags=["notequals:prod", "eu"]) == ["zz-1"]
    assert names(name="notequals:zz-3") == ["zz-2", "zz-1", "zz-0"]
    assert values(name="thing", tag="notequals:good") == [[3], [2]]
    assert values(name="thing", version="notequals:gold") == [[3], [2]]
    assert values(name="notequals:thing") == [3, 2, 1, 0]


def test_artifacts_are_narrowed_by_all_that_is_asked(session: Session) -> None:
    from zenml import save_artifact
    from zenml.client import Client

    made = some_runs(3)
    save_artifact([1], "clf", version="gold", tags=["good"])
    client = Client()

    def values(**filters: Any) -> list[Any]:
        return [item.load() for item in client.list_artifact_versions(**filters)]

    assert values(name="clf") == [[1], 2, 1, 0]
    assert values(name="clf", size=2, page=2) == [1, 0]
    assert values(name="startswith:cl", sort_by="asc:created", size=1) == [0]
    assert values(name="clf", tags=["good"]) == values(version="gold") == [[1]]
    assert values(name="clf", tags=["nosuchtag"]) == []
    assert values(pipeline_run=made[1]) == [1]
    assert client.list_artifact_versions(tags=["good"])[0].version == "gold"
    assert client.list_artifact_versions(name="clf").total == 4
    with pytest.raises(NotFoundError, match="no run 'nope'"):
        values(pipeline_run="nope")
    with pytest.raises(UsageError, match=r"list_artifact_versions\(bogus=\.\.\.\) is not supported"):
        values(name="clf", bogus=1)
    with pytest.raises(UsageError, match=r"get_artifact_version\(bogus=\.\.\.\) is not supported"):
        client.get_artifact_version("clf", bogus=1)
    assert client.get_artifact_version("clf", hydrate=True).load() == [1]


def test_an_artifact_of_the_client_arrives_in_a_step_as_its_value() -> None:
    from zenml import pipeline, save_artifact, step
    from zenml.client import Client

    save_artifact({"a": 1}, "side")

    @step
    def kinds(one: Any, two: Any) -> list[str]:
        return [type(one).__name__, type(two).__name__]

    @pipeline
    def looking() -> None:
        client = Client()
        kinds(client.get_artifact_version("side"), client.list_artifact_versions(name="side")[0])

    assert looking().steps["kinds"].output.load() == ["dict", "dict"]
