"""Models listed, described, tagged and deleted, on the local store and on a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.deployments.entries import DeploymentEntry
from mlxkit.deployments.store import DeploymentStore
from mlxkit.errors import (
    CredentialsError,
    InUseError,
    NotFoundError,
    UnreachableError,
    UsageError,
)
from mlxkit.integrations.mlflow.rest import Rest
from mlxkit.models.records import ModelDescription, ModelRecord, VersionRecord
from mlxkit.models.service import ModelService
from tests.fixtures.mlflow_server import free_port
from tests.fixtures.shelf import BETTER, GOOD, ODD, Shelf, write_team_project

MOST = 1.7976931348623157e308  # what MLflow makes of infinity


def test_an_empty_registry_has_no_models_and_says_what_comes_first(
    empty_registry: Callable[[], ModelService],
) -> None:
    service = empty_registry()
    assert service.list() == []
    with pytest.raises(NotFoundError, match="the registry is empty") as told:
        service.describe("iris")
    assert told.value.hint == "mlx model register iris --run latest"


def test_a_project_where_nothing_ever_ran_has_no_models(home: Path) -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    assert ModelService().list() == []
    with pytest.raises(NotFoundError):
        ModelService().get("iris@production")
    assert not Path(".mlx").exists()


def test_a_list_shows_metrics_and_aliases_of_the_version_in_production(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    listed = {model.name: model for model in shelf.service.list()}[shelf.name]
    assert (listed.latest, dict(listed.aliases), listed.version) == (2, {}, 2)
    assert listed.metrics["val_rmse"] == 0.70
    shelf.service.promote(f"{shelf.name}:1", "production")
    listed = {model.name: model for model in shelf.service.list()}[shelf.name]
    assert (listed.latest, dict(listed.aliases), listed.version) == (2, {"production": 1}, 1)
    assert listed.metrics == {"accuracy": 0.90, "eval_rmse": 0.73, "val loss": 0.30, "val_rmse": 0.75}
    assert set(listed.to_dict()) == {"schema_version", *ModelRecord.__dataclass_fields__}


def test_versions_show_metrics_aliases_labels_and_runs(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER, ODD, labels=("1.0.0", "1.1.0"))
    shelf.service.promote(f"{shelf.name}:1.0.0", "production")
    found = shelf.service.versions(shelf.name)
    assert [version.version for version in found] == [3, 2, 1]
    assert [version.version_tag for version in found] == [None, "1.1.0", "1.0.0"]
    assert [version.aliases for version in found] == [(), (), ("production",)]
    assert [version.metrics.get("accuracy") for version in found] == [MOST, 0.92, 0.90]
    assert [version.run for version in found] == ["run-c", "run-b", "run-a"]
    assert found[2].mlflow_run_id == shelf.logged[GOOD].run_id
    assert [version.version for version in shelf.service.versions(shelf.name, limit=2)] == [3, 2]


def test_a_version_tells_everything_and_its_json_is_json(shelf: Shelf) -> None:
    shelf.stock(ODD, labels=("1.0.0",))
    shelf.service.promote(shelf.name, "staging")
    shelf.service.tag(f"{shelf.name}:1", {"team": "a"})
    told = shelf.service.describe(f"{shelf.name}@staging").to_dict()
    assert set(told) == {"schema_version", *VersionRecord.__dataclass_fields__}
    assert json.loads(json.dumps(told, allow_nan=False))["metrics"] == {"accuracy": MOST, "val_rmse": "nan"}
    assert (told["stage"], told["aliases"], told["version_tag"]) == ("staging", ["staging"], "1.0.0")
    assert told["tags"] == {"team": "a"}
    assert list(told["params"]) == ["alpha"]
    assert told["created"].startswith("20")
    assert told["status"] == "READY"


def test_what_another_run_measured_of_the_model_itself_counts_for_the_version(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    assert shelf.service.get(f"{shelf.name}:1").metrics["eval_rmse"] == 0.73
    assert "eval_rmse" not in shelf.service.get(f"{shelf.name}:2").metrics
    done = shelf.service.promote(f"{shelf.name}:1", "staging", conditions=["eval_rmse < 0.74"])
    assert done.promoted


def test_a_model_is_described_with_its_versions(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    shelf.service.update(shelf.name, description="petals and sepals")
    shelf.service.update(f"{shelf.name}:1", description="the first", version_tag="1.0.0")
    found = shelf.service.describe(shelf.name)
    assert isinstance(found, ModelDescription)
    assert found.model.description == "petals and sepals"
    assert [item.description for item in found.versions] == ["", "the first"]
    assert [item["version"] for item in found.to_dict()["versions"]] == [2, 1]
    assert shelf.service.get(f"{shelf.name}:1.0.0").version == 1


def test_twenty_versions_are_listed_by_a_handful_of_requests(
    server_shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_shelf.stock(*[GOOD, BETTER, ODD, BETTER] * 5)
    sent: list[str] = []
    request = Rest.request

    def counted(self: Rest, method: str, path: str, *rest: object, **more: object) -> object:
        sent.append(path)
        return request(self, method, path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Rest, "request", counted)
    found = server_shelf.service.versions(server_shelf.name)
    assert len(found) == 20 and all(item.metrics for item in found)
    assert len(sent) <= 6, sent


def test_tags_are_set_and_removed_and_ours_are_not(shelf: Shelf) -> None:
    shelf.stock(GOOD)
    service, version = shelf.service, f"{shelf.name}:1"
    assert service.tag(version, {"team": "a=b", "note": ""}) == {"note": "", "team": "a=b"}
    assert service.tag(version, remove=["team"]) == {"note": ""}
    assert service.tag(shelf.name, {"owner": "me"}) == {"owner": "me"}
    assert service.registry.version(shelf.name, 1).tags["mlx.run_id"] == "run-a"
    with pytest.raises(UsageError, match=r"mlx\."):
        service.tag(version, {"mlx.run_id": "mine"})
    with pytest.raises(UsageError, match=r"mlx\."):
        service.tag(version, remove=["mlx.run_id"])
    with pytest.raises(NotFoundError, match="did you mean 'note'"):
        service.tag(version, remove=["notes"])
    with pytest.raises(UsageError, match="nothing to change"):
        service.tag(version)
    assert service.registry.version(shelf.name, 1).tags["mlx.run_id"] == "run-a"


@pytest.mark.parametrize("label", ["7", "v7", "latest", "", "a b", "a:b"])
def test_a_label_that_means_something_else_is_refused(local_shelf: Shelf, label: str) -> None:
    local_shelf.stock(GOOD)
    with pytest.raises(UsageError):
        local_shelf.service.update("iris:1", version_tag=label)


def test_a_label_needs_a_version_and_an_update_something_to_change(local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD)
    with pytest.raises(UsageError, match="names no version"):
        local_shelf.service.update("iris", version_tag="1.0.0")
    with pytest.raises(UsageError, match="nothing to change"):
        local_shelf.service.update("iris")


def test_a_version_that_holds_an_alias_is_deleted_by_force_only(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    service = shelf.service
    service.promote(f"{shelf.name}:1", "production")
    for reference in (f"{shelf.name}:1", f"{shelf.name}@production", shelf.name):
        with pytest.raises(InUseError, match="is production") as told:
            service.delete(reference)
        assert f"mlx model unset {shelf.name} --stage production" in (told.value.hint or "")
    assert len(service.versions(shelf.name)) == 2
    assert service.delete(f"{shelf.name}:2").version == 2
    assert service.delete(f"{shelf.name}:1", force=True).aliases == ("production",)
    assert shelf.aliases() == {}
    assert service.versions(shelf.name) == []
    service.delete(shelf.name)
    with pytest.raises(NotFoundError):
        service.describe(shelf.name)


def test_a_version_that_is_deployed_is_deleted_by_force_only(local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD, BETTER)
    store = DeploymentStore(Path(".mlx").absolute())
    store.write(DeploymentEntry("shop", "iris", 2, "iris:2", store.new_folder("shop"), files="iris-2"))
    store.write(DeploymentEntry("other", "rose", 1, "rose:1", store.new_folder("other"), files="rose-1"))
    service = local_shelf.service
    for reference in ("iris:2", "iris"):
        with pytest.raises(InUseError, match="is served by deployment shop") as told:
            service.delete(reference)
        assert told.value.hint == "mlx deployment delete shop, or add --force"
    assert service.delete("iris:1").deployments == ()
    assert service.delete("iris:2", force=True).deployments == ("shop",)


@pytest.mark.parametrize("odd", ["it's", 'say "x"', "größe 100%", "a@b", "50% _off_", "x\\y"])
def test_names_that_need_care_are_taken_as_they_are(shelf: Shelf, odd: str) -> None:
    name = f"{odd} {shelf.name}"
    shelf.stock(GOOD, BETTER, name=name, labels=("1.0.0",))
    service = shelf.service
    assert service.promote(f"{name}:1.0.0", "production").promoted
    assert [item.version for item in service.versions(f"models:/{name}")] == [2, 1]
    assert service.get(f"{name}@production").metrics["val_rmse"] == 0.75
    assert [move.version for move in service.history(f"models:/{name}")] == [1]
    assert name in [model.name for model in service.list()]
    service.delete(f"models:/{name}", force=True)
    assert name not in [model.name for model in service.list()]


def test_a_model_is_deleted_with_its_versions(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    planned = shelf.service.plan_deletion(shelf.name)
    assert planned.sentence == f"model {shelf.name!r} with its 2 versions"
    shelf.service.delete(shelf.name)
    with pytest.raises(NotFoundError):
        shelf.service.versions(shelf.name)


def test_a_registry_that_is_down_and_one_that_refuses_are_named(
    server_shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_SERVER__PASSWORD", "S3CR3T-wrong")
    with pytest.raises(CredentialsError, match="refused the user name or password") as refused:
        server_shelf.service.list()
    assert "S3CR3T" not in refused.value.message
    write_team_project(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError, match="nothing listens"):
        server_shelf.service.promote("iris:1", "production")
