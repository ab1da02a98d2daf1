"""Everybody's runs, as a server and a local store tell of them: filters, orders, pages, and what must not be among them."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import CredentialsError, MlxError, NotFoundError, UnreachableError, UsageError
from mlxkit.integrations.mlflow import team
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.runs.history import History
from mlxkit.runs.search import RunFilter
from mlxkit.runs.team import TeamListing, describe_of_team, search_team
from mlxkit.secrets import masking
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.protocols import RunFacts, StepFacts
from mlxkit.stacks.resolve import ResolvedComponent
from mlxkit.stacks.tags import HOST, RUN_ID
from mlxkit.stacks.teams import Asked, TeamQuestion
from tests.fixtures.mlflow_server import MlflowServer, free_port

from .conftest import Setting

ODD = """it's a "quoted" `name`; -- 100%_\\ ünï"""


def ran(
    setting: Setting,
    run_id: str,
    pipeline: str,
    *,
    status: Any = "completed",
    steps: Sequence[StepFacts] = (StepFacts("fit", "s"),),
    **facts: Any,
) -> None:
    """Make a run as the runner does; MLflow is not imported."""
    run = setting.tracker.open(
        RunFacts(
            run_id=run_id,
            run_name=facts.pop("run_name", f"name-{run_id}"),
            pipeline=pipeline,
            stack="s",
            **facts,
        ),
        setting.told.append,
    )
    for step in steps:
        with run.step(step):
            pass
    if status != "running":
        run.finish(status)


def measured(setting: Setting, run_id: str, pipeline: str, values: dict[str, float], **facts: Any) -> None:
    """Make a run that logs metrics through MLflow."""
    import mlflow

    run = setting.open(pipeline, run_id=run_id, run_name=f"name-{run_id}", **facts)
    with run.step(StepFacts("fit", "s")):
        mlflow.log_metrics(values)
    run.finish("completed")


@pytest.fixture
def listed(setting: Setting, tmp_path: Path) -> Callable[..., list[TeamListing]]:
    """Search what the tracker has, with a history that has nothing."""

    def search(page: int | None = None, limit: int = 1000, **wanted: Any) -> list[TeamListing]:
        with closing(History.in_memory()) as history:
            found = search_team(setting.tracker, history, RunFilter(**wanted), limit=limit, page=page)
        return list(found.runs)  # type: ignore[arg-type]

    return search


def ids(found: Sequence[TeamListing]) -> list[str]:
    return [item.run.id for item in found]


def test_a_run_is_listed_with_all_that_its_tags_say(
    setting: Setting, listed: Callable[..., list[TeamListing]], pipeline_name: str
) -> None:
    tags = {
        "mlx.git_commit": "abc",
        "mlx.engine": "ray",
        "mlx.workers": "4",
        "mlx.tags": '["keep", "owner=ann"]',
    }
    ran(setting, "r1", pipeline_name, kind="script", tags=tags, parameters={"lr": "0.5"})
    [found] = listed(pipeline=pipeline_name)
    [logged] = setting.reader.runs(pipeline_name)
    data = found.to_dict()
    assert (data["id"], data["name"], data["pipeline"], data["stack"]) == (
        "r1",
        "name-r1",
        pipeline_name,
        "s",
    )
    assert (data["status"], data["kind"], data["code"]["commit"]) == ("completed", "script", "abc")
    assert (data["engine"], data["workers"], data["tags"]) == ("ray", "4", ["keep", "owner=ann"])
    assert (data["user"], data["host"]) == (logged["tags"]["mlflow.user"], logged["tags"]["mlx.host"])
    assert data["user"] and data["host"]
    assert data["logged_params"] == {"lr": "0.5"}
    assert data["tracker_runs"] == [logged["info"]["run_id"]]
    assert data["tracker_urls"][0].endswith(f"/runs/{logged['info']['run_id']}")
    assert found.run.started == logged["info"]["start_time"] / 1000
    assert data["duration"] >= 0


def test_a_run_is_listed_as_it_ended_and_one_that_goes_on_as_running(
    setting: Setting, listed: Callable[..., list[TeamListing]], pipeline_name: str
) -> None:
    for status in ("completed", "failed", "killed", "running"):
        ran(setting, status, pipeline_name, status=status)
    assert {item.run.id: item.run.status for item in listed(pipeline=pipeline_name)} == {
        status: status for status in ("completed", "failed", "killed", "running")
    }
    for status in ("completed", "failed", "killed", "running"):
        assert ids(listed(pipeline=pipeline_name, status=status)) == [status]
    assert set(ids(listed(pipeline=pipeline_name, where=["status != failed"]))) == {
        "completed",
        "killed",
        "running",
    }
    [running] = listed(pipeline=pipeline_name, status="running")
    assert (running.run.ended, bool(running.host)) == (None, True)


def test_children_and_runs_of_others_programs_are_not_listed(
    setting: Setting, listed: Callable[..., list[TeamListing]], pipeline_name: str
) -> None:
    import mlflow

    run = setting.open(pipeline_name, run_id="parent")
    with run.step(StepFacts("fit", "s1", settings={"nested": True})):
        mlflow.log_metric("inner", 1)
        with mlflow.start_run(nested=True):
            mlflow.log_metric("innermost", 1)
    run.finish("completed")
    experiment = setting.tracker._backend.experiment(pipeline_name)
    setting.tracker._backend.create_run(experiment, "by hand", {"team": "x"})
    assert len(setting.reader.runs(pipeline_name)) == 4
    [found] = listed(pipeline=pipeline_name)
    assert (found.run.id, found.metrics) == ("parent", {})
    assert "by hand" not in [item.run.name for item in listed()]
    described = describe_of_team(setting.tracker, History.in_memory(), "parent")
    assert set(described.listing.metrics) == {"inner", "innermost"}
    assert described.listing.tracker_runs == found.tracker_runs


def test_a_run_with_parts_in_two_experiments_is_one_run(
    setting: Setting, listed: Callable[..., list[TeamListing]], pipeline_name: str
) -> None:
    elsewhere = StepFacts("b", "s2", settings={"experiment_name": f"{pipeline_name}-2"})
    ran(setting, "r1", pipeline_name, steps=(StepFacts("a", "s1"), elsewhere), parameters={"lr": "1"})
    [found] = listed(pipeline=pipeline_name, page=1)
    assert (len(found.tracker_runs), found.logged_params, found.run.status) == (2, {"lr": "1"}, "completed")


def test_runs_of_all_experiments_come_page_by_page_the_newest_first(
    setting: Setting,
    listed: Callable[..., list[TeamListing]],
    pipeline_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(team, "_PAGE", 2)  # experiments, too, come in several pages
    monkeypatch.setattr(team, "_EXPERIMENTS", 1)  # and their runs in several requests
    made = [f"r{number}" for number in range(6)]
    for number, run_id in enumerate(made):
        ran(
            setting,
            run_id,
            pipeline_name,
            steps=[StepFacts("a", "s", settings={"experiment_name": f"{pipeline_name}-{number % 3}"})],
        )
    assert ids(listed(pipeline=pipeline_name, page=2)) == made[::-1]
    assert ids(listed(pipeline=pipeline_name, page=2, is_reversed=True)) == made
    assert ids(listed(pipeline=pipeline_name, page=1, limit=3)) == made[:2:-1]
    assert ids(listed(pipeline=pipeline_name, page=2, sort="name")) == made


def test_no_more_pages_are_read_than_the_listing_needs(setting: Setting, pipeline_name: str) -> None:
    for number in range(5):
        ran(setting, f"r{number}", pipeline_name)
    taken = []

    class Counting:
        def team_runs(self, question: TeamQuestion) -> Any:
            for run in setting.tracker.team_runs(question):
                taken.append(run)
                yield run

    found = search_team(Counting(), History.in_memory(), RunFilter(pipeline=pipeline_name), limit=2, page=2)  # type: ignore[arg-type]
    assert (len(found.runs), len(taken)) == (2, 2)


def test_odd_characters_are_found_and_nothing_else_is(
    setting: Setting, listed: Callable[..., list[TeamListing]], pipeline_name: str
) -> None:
    odd = f"{ODD} {setting.scenario}"
    experiment = [StepFacts("a", "s", settings={"experiment_name": pipeline_name})]
    ran(
        setting,
        "odd",
        odd,
        run_name=f"n {odd}",
        tags={"mlx.tags": json.dumps([odd, f"k={ODD}"], ensure_ascii=False)},
        steps=experiment,
    )
    like = odd.replace("'", "x").replace('"', "y")
    ran(setting, "like", like, run_name=f"n {like}", tags={"mlx.tags": json.dumps([like])}, steps=experiment)
    ran(setting, "case", odd.upper(), steps=experiment)
    quoted = json.dumps(odd, ensure_ascii=False)
    assert ids(listed(pipeline=odd)) == ["odd"]
    assert ids(listed(pipeline=like)) == ["like"]
    assert ids(listed(tags=[odd])) == ["odd"]
    assert ids(listed(where=[f"name = {json.dumps(f'n {odd}', ensure_ascii=False)}"])) == ["odd"]
    assert ids(listed(where=[f"pipeline = {quoted}"], page=1)) == ["odd"]
    mine = [f"id like {pattern}" for pattern in ("odd", "like", "case")]
    assert ids(listed(where=[f"pipeline != {quoted}", mine[0]])) == []
    assert ids(listed(where=[f"pipeline != {quoted}", mine[1]])) == ["like"]
    assert ids(listed(where=['name ~ "it\'s a"', "stack = s"])) == ["odd"]
    assert describe_of_team(setting.tracker, History.in_memory(), f"n {odd}").listing.run.id == "odd"
    injected = "x' OR tags.\"mlx.run_id\" LIKE '%"
    assert listed(pipeline=injected) == [] == listed(where=[f"stack = {json.dumps(injected)}"])


def test_conditions_on_what_was_logged_mean_what_they_mean_in_history(
    setting: Setting, listed: Callable[..., list[TeamListing]], pipeline_name: str
) -> None:
    values = {"low": 0.5, "high": 2.0, "none": math.nan, "endless": math.inf, "under": -1e-7}
    for name, value in values.items():
        measured(
            setting,
            name,
            pipeline_name,
            {"val loss/top": value},
            parameters={"lr": {"low": "0.10"}.get(name, name)},
        )
    ran(setting, "without", pipeline_name)

    def where(*conditions: str, **more: Any) -> list[str]:
        return ids(listed(pipeline=pipeline_name, where=conditions, **more))

    key = 'metrics."val loss/top"'
    assert set(where(f"{key} < 1")) == {"low", "under"}
    assert set(where(f"{key} >= -1e-7 and {key} <= 5e-1")) == {"low", "under"}
    assert set(where(f"{key} > 1e300")) == {"endless"}
    assert set(where(f"{key} = inf")) == {"endless"}
    assert set(where(f"{key} != 2")) == {"low", "endless", "under"}
    assert where("params.lr = 0.1") == ["low"]
    assert where("params.lr = '0.1'") == []
    assert where("params.lr < 1") == ["low"]
    assert where("params.lr ~ IGH") == ["high"]
    assert where("params.lr like 'un%'") == ["under"]
    assert where(sort=f"-{key}")[:2] == ["endless", "high"]
    assert where(sort=key, page=2)[:4] == ["under", "low", "high", "endless"]
    assert set(where(sort=key, page=2)[4:]) == {"none", "without"}
    assert where(sort=key, page=1, limit=2) == ["under", "low"]
    with pytest.raises(NotFoundError, match="did you mean 'val loss/top'"):
        where(sort="metrics.val_loss/top")
    with pytest.raises(NotFoundError, match="takes no such name"):
        where('metrics."it\'s" < 1')


def test_times_and_tags_are_compared_as_in_history(
    setting: Setting, listed: Callable[..., list[TeamListing]], pipeline_name: str
) -> None:
    ran(setting, "first", pipeline_name, tags={"mlx.tags": '["keep", "prio=10"]'})
    ran(setting, "second", pipeline_name, tags={"mlx.tags": '["keeper", "prio=9"]'})
    [second, first] = listed(pipeline=pipeline_name)
    moment = first.run.started
    assert ids(listed(pipeline=pipeline_name, since=moment)) == ["second", "first"]
    assert ids(listed(pipeline=pipeline_name, since=second.run.started)) == ["second"]
    assert ids(listed(pipeline=pipeline_name, until=second.run.started)) == ["first"]
    assert ids(listed(pipeline=pipeline_name, where=["started > 1h", "ended < 2100-01-01"])) == [
        "second",
        "first",
    ]
    assert ids(listed(pipeline=pipeline_name, tags=["keep"])) == ["first"]
    assert ids(listed(pipeline=pipeline_name, tags=["prio"])) == ["second", "first"]
    assert ids(listed(pipeline=pipeline_name, tags=["prio=9"])) == ["second"]
    assert ids(listed(pipeline=pipeline_name, where=["tags.prio > 9"])) == ["first"]
    assert ids(listed(pipeline=pipeline_name, where=["tags != keep"])) == ["second"]
    assert ids(listed(pipeline=pipeline_name, where=["tags ~ EEPER"])) == ["second"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"where": ["parameters.lr = 1"]}, "parameters.lr"),
        ({"where": ["error ~ x"]}, "error"),
        ({"where": ["file = p.py"]}, "file"),
        ({"where": ["duration > 5"]}, "duration"),
        ({"where": ["name < b"]}, "name with <"),
        ({"where": ["status ~ fail"]}, "status with ~"),
        ({"where": ["status = interrupted"]}, "interrupted"),
        ({"status": "interrupted"}, "interrupted"),
        ({"sort": "duration"}, "by duration"),
        ({"sort": "-params.lr"}, "by params.lr"),
        ({"sort": "status"}, "by status"),
    ],
)
def test_what_a_tracker_cannot_be_asked_is_refused_by_its_name(
    local: Setting, wanted: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match="tracker") as caught:
        search_team(local.tracker, History.in_memory(), RunFilter(**wanted), limit=20)
    assert told in caught.value.message
    assert caught.value.hint


def test_a_run_is_described_by_id_its_start_name_mlflow_id_and_latest(
    setting: Setting, pipeline_name: str
) -> None:
    history = History.in_memory()
    ran(setting, f"{pipeline_name}-one", pipeline_name, run_name="the one", tags={"team": "blue"})
    ran(setting, f"{pipeline_name}-two", pipeline_name, status="failed")
    [one, two] = [run["info"]["run_id"] for run in setting.reader.runs(pipeline_name)]
    for reference in (f"{pipeline_name}-one", f"{pipeline_name}-o", "the one", one):
        found = describe_of_team(setting.tracker, history, reference)
        assert found.listing.tracker_runs == (one,)
        assert found.tracker_tags["team"] == "blue"
        assert found.summary().tracker_tags == {"team": "blue"}
    assert describe_of_team(setting.tracker, history, "latest").listing.tracker_runs == (two,)
    for reference, said in {
        pipeline_name: "several runs begin with",
        f"{pipeline_name.upper()}-ONE": "no run",
        "%": "no run",
        "no'such": "no run",
    }.items():
        with pytest.raises(NotFoundError, match=said):
            describe_of_team(setting.tracker, history, reference)


def test_secrets_and_deleted_runs_are_not_shown(
    setting: Setting, listed: Callable[..., list[TeamListing]], pipeline_name: str
) -> None:
    ran(setting, "kept", pipeline_name, parameters={"key": "hunter2hunter2"}, run_name="with hunter2hunter2")
    ran(setting, "gone", pipeline_name)
    gone = setting.told[-1].run_id
    if setting.scenario == "local":
        with closing(sqlite3.connect(setting.state_dir / "mlflow" / "mlflow.db")) as db, db:
            db.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", (gone,))
    else:
        setting.tracker._rest.call("POST", "/runs/delete", {"run_id": gone})  # type: ignore[union-attr]
    masking.register("hunter2hunter2", "s.k")
    [found] = listed(pipeline=pipeline_name)
    assert "hunter2" not in json.dumps(found.to_dict())
    assert found.run.id == "kept"


def test_a_store_that_was_never_written_to_has_no_runs_and_is_not_made(tmp_path: Path) -> None:
    tracker = MlflowTracker(ResolvedComponent("experiment_tracker", "t", "mlflow", {}), tmp_path / ".mlx")
    assert list(tracker.team_runs(TeamQuestion())) == []
    assert not (tmp_path / ".mlx").exists()


def test_other_databases_are_asked_through_mlflows_client(
    local: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        ran(
            local,
            f"r{number}",
            "p",
            steps=[StepFacts("a", "s", settings={"nested": True, "experiment_name": f"e{number}"})],
        )
    monkeypatch.setattr(team, "_EXPERIMENTS", 2)
    question = TeamQuestion((Asked("tag", "mlx.pipeline", "=", "p"),), page=1)
    found = list(team.client_runs(local.tracker.connection, question))
    assert [run.tags[RUN_ID] for run in found] == ["r2", "r1", "r0"]
    assert found == list(local.tracker.team_runs(question))


def test_tables_that_are_not_as_expected_are_left_to_the_client(local: Setting) -> None:
    with closing(sqlite3.connect(local.state_dir / "mlflow" / "mlflow.db")) as db, db:
        db.execute("ALTER TABLE logged_models RENAME COLUMN artifact_location TO place")
    ran(local, "r", "p")
    with closing(sqlite3.connect(local.state_dir / "mlflow" / "mlflow.db")) as db, db:
        db.execute("ALTER TABLE logged_models RENAME COLUMN place TO artifact_location")
        db.execute("ALTER TABLE logged_model_metrics RENAME COLUMN metric_step TO number")
    found = list(local.tracker.team_runs(TeamQuestion()))
    assert [run.tags[RUN_ID] for run in found] == ["r"]


def test_a_server_that_is_down_and_one_that_refuses_say_so(server: Setting) -> None:
    down = server.make(tracking_uri=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError, match="nothing listens"):
        down.team_runs(TeamQuestion())
    wrong = server.make(tracking_password=SecretValue("wrong"))
    with pytest.raises(CredentialsError, match="refused the user name or password") as caught:
        wrong.team_runs(TeamQuestion())
    assert "wrong" not in caught.value.message + str(caught.value.hint)


def test_an_experiment_that_the_user_may_not_see_is_left_out(
    server: Setting, mlflow_server: MlflowServer, pipeline_name: str
) -> None:
    open_one, closed = f"{pipeline_name}-open", f"{pipeline_name}-closed"
    for run_id, experiment in (("seen", open_one), ("hidden", closed)):
        ran(
            server,
            run_id,
            pipeline_name,
            steps=[StepFacts("a", "s", settings={"experiment_name": experiment})],
        )
    admin = mlflow_server.admin
    admin.call("POST", "users/create", {"username": "guest", "password": "guest-password-1"})
    told = admin.experiment(closed)
    assert told is not None
    denied = {
        "username": "guest",
        "resource_type": "experiment",
        "resource_id": told["experiment_id"],
        "permission": "DENY",
    }
    admin.call("POST", "users/permissions/grant", denied, version="3.0")
    guest = server.make(
        tracking_username=SecretValue("guest"), tracking_password=SecretValue("guest-password-1")
    )
    question = TeamQuestion((Asked("tag", "mlx.pipeline", "=", pipeline_name),))
    assert [run.tags[RUN_ID] for run in guest.team_runs(question)] == ["seen"]
    assert {run.tags[RUN_ID] for run in server.tracker.team_runs(question)} == {"seen", "hidden"}


def test_what_answers_with_something_else_is_not_taken_for_runs(
    server: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = server.tracker._rest
    assert rest is not None
    for told in ({"experiments": [{"name": "x"}]}, {"experiments": 5}, ["x"]):
        monkeypatch.setattr(rest, "call", lambda *args, told=told, **kwargs: told)
        with pytest.raises(MlxError, match="something else than MLflow"):
            list(server.tracker.team_runs(TeamQuestion()))


def test_the_filter_asks_for_our_runs_only() -> None:
    asked = team.as_filter(team.conditions_of(TeamQuestion((Asked("metric", "m", "<", 1e22),))))
    assert (
        asked
        == f'tags."{RUN_ID}" LIKE \'%\' AND tags."{HOST}" LIKE \'%\' AND metrics."m" < 10000000000000000000000'
    )
