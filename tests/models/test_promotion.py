"""Stages and aliases moved, on the local store and on a real server, as MLflow's own client sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit.client import Client
from mlxkit.errors import MlxError, NotFoundError, UnreachableError, UsageError
from mlxkit.models.tags import MOVE
from tests.fixtures.shelf import BETTER, GOOD, ODD, Shelf

_RESOLVED = """
import json, sys, mlflow
from mlflow import MlflowClient
name, alias = sys.argv[1:3]
try:
    version = MlflowClient().get_model_version_by_alias(name, alias).version
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@{alias}").metadata.model_id
except mlflow.exceptions.MlflowException as error:
    version, loaded = None, str(error)
print(json.dumps([version and int(version), loaded]))
"""


def records(shelf: Shelf, number: int) -> list[dict[str, Any]]:
    """The moves on a version, the oldest first, as anybody reads them."""
    tags = shelf.service.registry.version(shelf.name, number).tags
    return [json.loads(tags[key]) for key in sorted(tags) if key.startswith(MOVE)]


def test_a_stage_is_shown_after_it_was_set_and_mlflow_s_own_client_loads_by_it(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    done = shelf.service.promote(f"{shelf.name}:2", "production", why="it is better")
    assert (done.promoted, done.is_changed, done.previous, done.version) == (True, True, None, 2)
    assert shelf.service.get(f"{shelf.name}@production").stage == "production"
    assert shelf.in_mlflow(_RESOLVED, shelf.name, "production") == [2, shelf.logged[BETTER].model_id]
    [move] = records(shelf, 2)
    assert (move["alias"], move["from"], move["to"], move["why"]) == ("production", None, 2, "it is better")
    assert move["at"].startswith("20") and "@" in move["by"]


def test_a_stage_that_is_unset_is_gone_in_mlflow_too(shelf: Shelf) -> None:
    shelf.stock(GOOD)
    shelf.service.promote(shelf.name, "staging")
    move = shelf.service.unset(shelf.name, "staging", why="not yet")
    assert (move.previous, move.version) == (1, None)
    assert shelf.aliases() == {}
    assert shelf.service.get(shelf.name).stage is None
    version, said = shelf.in_mlflow(_RESOLVED, shelf.name, "staging")
    assert version is None and "staging" in said
    with pytest.raises(NotFoundError, match="it has: none"):
        shelf.service.unset(shelf.name, "staging")
    assert [item["to"] for item in records(shelf, 1)] == [1, None]


def test_one_version_holds_a_stage_and_a_version_is_in_one_stage(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    service = shelf.service
    service.promote(f"{shelf.name}:1", "production")
    service.promote(f"{shelf.name}:2", "champion")
    service.promote(f"{shelf.name}:2", "Staging")
    assert shelf.aliases() == {"production": 1, "champion": 2, "staging": 2}
    done = service.promote(f"{shelf.name}:2", "production")
    assert (done.previous, done.left) == (1, ("staging",))
    assert shelf.aliases() == {"production": 2, "champion": 2}
    told = [(move.alias, move.previous, move.version) for move in service.history(shelf.name)]
    assert told == [
        ("staging", 2, None),
        ("production", 1, 2),
        ("staging", None, 2),
        ("champion", None, 2),
        ("production", None, 1),
    ]
    assert [move.alias for move in service.history(shelf.name, "production")] == ["production"] * 2


def test_what_is_there_already_is_said_and_nothing_is_written(shelf: Shelf) -> None:
    shelf.stock(GOOD)
    shelf.service.promote(shelf.name, "production")
    done = shelf.service.promote(shelf.name, "production", conditions=["val_rmse <= @production.val_rmse"])
    assert (done.promoted, done.is_changed, len(done.rows)) == (True, False, 1)
    blocked = shelf.service.promote(shelf.name, "production", conditions=["val_rmse < 0.1"])
    assert (blocked.promoted, blocked.is_changed) == (False, False)
    assert len(records(shelf, 1)) == 1


def test_a_dry_run_changes_nothing(shelf: Shelf) -> None:
    shelf.stock(GOOD)
    done = shelf.service.promote(shelf.name, "production", conditions=["val_rmse < 1"], dry_run=True)
    assert (done.promoted, done.is_changed, done.is_dry_run, done.rows[0].left) == (True, False, True, 0.75)
    assert (shelf.aliases(), records(shelf, 1)) == ({}, [])


def test_evidence_lets_through_and_blocks(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    models = Client().models
    models.promote(f"{shelf.name}:2", "production")
    blocked = models.promote(
        f"{shelf.name}:1",
        to="production",
        conditions=["val_rmse <= 0.8", "val_rmse < @production.val_rmse", '"val loss" > 0.1'],
    )
    assert not blocked.promoted
    assert [(row.left, row.right, row.holds) for row in blocked.rows] == [
        (0.75, 0.8, True),
        (0.75, 0.70, False),
        (0.30, 0.1, True),
    ]
    assert (shelf.aliases(), records(shelf, 1)) == ({"production": 2}, [])
    passed = models.promote(f"{shelf.name}:2", to="staging", conditions=["val_rmse <= @production.val_rmse"])
    assert passed.promoted
    [_, move, left] = records(shelf, 2)
    assert move["evidence"] == [
        {"expression": "val_rmse <= @production.val_rmse", "left": 0.70, "right": 0.70, "holds": True}
    ]
    assert (left["alias"], left["to"]) == ("production", None)


def test_the_first_version_of_a_stage_has_nobody_to_be_compared_with(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    against = ["val_rmse < @production.val_rmse"]
    with pytest.raises(NotFoundError):
        shelf.service.promote(f"{shelf.name}:1", "production", conditions=against)
    floor = shelf.service.promote(
        f"{shelf.name}:1", "production", conditions=[*against, "val_rmse < 0"], or_first=True
    )
    assert (floor.promoted, [row.expression for row in floor.rows]) == (False, ["val_rmse < 0"])
    assert shelf.service.promote(f"{shelf.name}:1", "production", conditions=against, or_first=True).promoted
    second = shelf.service.promote(f"{shelf.name}:2", "production", conditions=against, or_first=True)
    assert (second.promoted, len(second.rows)) == (True, 1)
    with pytest.raises(NotFoundError):
        shelf.service.promote(
            f"{shelf.name}:2", "champion", conditions=["val_rmse < @other.val_rmse"], or_first=True
        )


def test_a_metric_that_is_not_a_number_blocks(shelf: Shelf) -> None:
    shelf.stock(ODD)
    for condition in ("val_rmse < 1", "val_rmse >= 1", "val_rmse != 1", "1 > val_rmse"):
        done = shelf.service.promote(shelf.name, "production", conditions=[condition])
        assert (done.promoted, done.rows[0].holds) == (False, False), condition
    assert done.rows[0].to_dict()["right"] == "nan"
    assert shelf.aliases() == {}


def test_a_metric_that_is_missing_is_an_error_and_no_pass(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    with pytest.raises(NotFoundError) as told:
        shelf.service.promote(f"{shelf.name}:2", "production", conditions=["val_rsme < 1"])
    assert (
        told.value.message == f"{shelf.name}:2 has no metric 'val_rsme' (did you mean 'val_rmse'?); "
        "it has: accuracy, val loss, val_rmse"
    )
    with pytest.raises(NotFoundError, match=f"no version of '{shelf.name}' is 'production'") as told:
        shelf.service.promote(shelf.name, "production", conditions=["val_rmse < @production.val_rmse"])
    assert "first promotion" in (told.value.hint or "")
    assert shelf.aliases() == {}


def test_a_metric_of_another_run_of_the_pipeline_counts_when_the_own_runs_lack_it(shelf: Shelf) -> None:
    shelf.stock(GOOD)
    done = shelf.service.promote(shelf.name, "staging", conditions=["test_rmse < 0.72", "val_rmse < 1"])
    assert done.promoted
    assert [row.left for row in done.rows] == [0.71, 0.75]  # the own run's val_rmse, not the other's 99


@pytest.mark.parametrize("to", ["latest", "Latest", "v7", "7", "none", "", "a b", "a/b", "a:b", "x" * 256])
def test_what_cannot_be_an_alias_is_refused(local_shelf: Shelf, to: str) -> None:
    local_shelf.stock(GOOD)
    with pytest.raises(UsageError):
        local_shelf.service.promote("iris", to)
    assert local_shelf.aliases() == {}


def test_rollback_walks_back(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER, ODD)
    service, name = shelf.service, shelf.name
    with pytest.raises(MlxError, match="was 'production' before") as told:
        service.rollback(name, "production")
    assert told.value.hint == f"mlx model promote {name}:VERSION --to production"
    for number in (1, 2, 3):
        service.promote(f"{name}:{number}", "production")
    assert service.rollback(name, "production", dry_run=True).version == 2
    assert shelf.aliases() == {"production": 3}
    assert service.rollback(name, "production", why="it answers nan").version == 2
    assert service.rollback(name, "production").version == 1
    assert shelf.aliases() == {"production": 1}
    with pytest.raises(MlxError, match="before version 1"):
        service.rollback(name, "production")
    newest = service.history(name)[1]
    assert (newest.previous, newest.version, newest.why, newest.kind) == (3, 2, "it answers nan", "rollback")


def test_rollback_to_a_version_that_was_deleted_says_so(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    service, name = shelf.service, shelf.name
    service.promote(f"{name}:1", "production")
    service.promote(f"{name}:2", "production")
    service.delete(f"{name}:1")
    with pytest.raises(MlxError, match=r"of .*, which was 'production' before, was deleted"):
        service.rollback(name, "production")
    assert shelf.aliases() == {"production": 2}


def test_history_says_what_another_tool_did_and_rollback_undoes_it(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    service, name = shelf.service, shelf.name
    service.promote(f"{name}:1", "production")
    shelf.in_mlflow(
        "import sys, mlflow, json; c = mlflow.MlflowClient();"
        "c.set_registered_model_alias(sys.argv[1], 'production', '2'); print(json.dumps(None))",
        name,
    )
    outside, recorded = service.history(name)
    assert (outside.at, outside.by, outside.previous, outside.version) == (None, "another tool", 1, 2)
    assert outside.is_recorded is False and recorded.is_recorded is True
    assert service.rollback(name, "production").version == 1
    assert [move.is_recorded for move in service.history(name)] == [True, True]


def test_a_move_that_the_registry_refuses_leaves_no_record(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.stock(GOOD)
    service = shelf.service
    registry = type(service.registry)

    def refused(self: object, name: str, alias: str, version: int | None) -> None:
        assert len(records(shelf, 1)) == 1  # written before the move
        raise UnreachableError("the line is cut")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "set_alias", refused)
        with pytest.raises(UnreachableError):
            service.promote(shelf.name, "production")
    assert (records(shelf, 1), shelf.aliases()) == ([], {})


def test_a_move_whose_answer_was_lost_keeps_its_record(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.stock(GOOD)
    service = shelf.service
    registry = type(service.registry)
    real = registry.set_alias

    def lost(self: Any, name: str, alias: str, version: int | None) -> None:
        real(self, name, alias, version)
        raise UnreachableError("no answer within 15 s")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "set_alias", lost)
        with pytest.raises(UnreachableError):
            service.promote(shelf.name, "production")
    assert (len(records(shelf, 1)), shelf.aliases()) == (1, {"production": 1})
    assert all(move.is_recorded for move in service.history(shelf.name))


def test_two_processes_that_promote_at_once_leave_one_holder_and_two_records(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    command = [sys.executable, "-m", "mlxkit", "model", "promote"]
    started = [
        subprocess.Popen(
            [*command, f"{shelf.name}:{number}", "--to", "production"], stderr=subprocess.PIPE, text=True
        )
        for number in (1, 2)
    ]
    ended = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], ended
    last, first = shelf.service.history(shelf.name)
    assert (first.previous, last.previous) == (None, first.version)
    assert shelf.aliases() == {"production": last.version}
    assert {first.version, last.version} == {1, 2}
    assert Path(".mlx/models/moves.lock").stat().st_mode & 0o777 == 0o600
