"""Every value of a metric, read back from what MLflow itself wrote: tables, REST API, client."""

from __future__ import annotations

import math
import sqlite3
from itertools import pairwise

import pytest

from mlxkit.errors import CredentialsError, MlxError, UnreachableError
from mlxkit.integrations.mlflow import curves, metric_values
from mlxkit.integrations.mlflow.curves import client_curves
from mlxkit.stacks.protocols import StepFacts

from .conftest import Setting


def logged(setting: Setting, pipeline: str) -> list[str]:
    """Log curves in a run and in a child of it; returns MLflow's ids, the parent first."""
    import mlflow

    run = setting.open(pipeline)
    with run.step(StepFacts("fit", "s1")):
        for step in (4, 0, 1, 2, 3):  # not in order
            mlflow.log_metric("loss", 10.0 - step, step=step)
        for value in (1.0, math.nan, math.inf, -math.inf):
            mlflow.log_metric("odd", value, step=int(mlflow.active_run() is None))
        with mlflow.start_run(nested=True):
            mlflow.log_metrics({"loss": 99.0, "inner": 1.0})
    run.finish("completed")
    return [told.run_id for told in sorted(setting.told, key=lambda told: not told.parent)]


def test_points_come_by_step_and_the_first_run_that_logged_one_counts(
    setting: Setting, pipeline_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "_PAGE", 2)  # so that a server answers in several pages
    runs = logged(setting, pipeline_name)
    found = setting.tracker.curves(runs)
    assert list(found) == ["inner", "loss", "odd"]
    assert [(point.step, point.value) for point in found["loss"]] == [
        (step, 10.0 - step) for step in range(5)
    ]
    assert 1.6e9 < found["loss"][0].time < 1e11, "seconds"
    values = [point.value for point in found["odd"]]
    assert sum(map(math.isnan, values)) == 1 and {math.inf, -math.inf, 1.0} <= set(values)
    assert list(setting.tracker.curves(runs, ["inner", "no such"])) == ["inner"]
    assert setting.tracker.curves(["0" * 32]) == {} and setting.tracker.curves([]) == {}


def test_an_infinity_is_one_as_a_curve_and_as_a_final_value(setting: Setting, pipeline_name: str) -> None:
    import mlflow

    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metrics({"up": math.inf, "down": -math.inf, "large": 1e300})
    metrics, _ = run.measured()
    run.finish("completed")
    assert metrics == {"up": math.inf, "down": -math.inf, "large": 1e300}
    found = setting.tracker.curves([told.run_id for told in setting.told])
    assert {key: points[-1].value for key, points in found.items()} == metrics


def test_a_long_curve_is_thinned_out_and_keeps_both_ends(
    setting: Setting, pipeline_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    from mlflow.entities import Metric

    monkeypatch.setattr(metric_values, "LIMIT", 10)
    monkeypatch.setattr(curves, "_PAGE", 7)
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        active = mlflow.active_run()
        assert active is not None
        points = [Metric("loss", float(step), step, step) for step in range(100)]
        mlflow.MlflowClient().log_batch(active.info.run_id, metrics=points)
    run.finish("completed")
    runs = [told.run_id for told in setting.told]
    steps = [point.step for point in setting.tracker.curves(runs)["loss"]]
    assert (steps[0], steps[-1]) == (0, 99) and 5 <= len(steps) <= 10
    gaps = {after - before for before, after in pairwise(steps[:-1])}
    assert len(gaps) == 1, "evenly"
    if setting.tracker.connection.database is not None:
        asked = client_curves(setting.tracker.connection.tracking_uri, runs)
        assert [point.step for point in asked["loss"]] == steps


def test_the_client_reads_the_same_as_the_tables(local: Setting, pipeline_name: str) -> None:
    runs = logged(local, pipeline_name)
    direct, asked = (
        local.tracker.curves(runs),
        client_curves(local.tracker.connection.tracking_uri, [*runs, "0" * 32]),
    )
    assert {key: [point.step for point in points] for key, points in asked.items()} == {
        key: [point.step for point in points] for key, points in direct.items()
    }
    assert asked["loss"] == direct["loss"]


def test_a_table_of_another_shape_is_left_to_the_client(local: Setting, pipeline_name: str) -> None:
    runs = logged(local, pipeline_name)
    database = local.tracker.connection.database
    assert database is not None
    with sqlite3.connect(database) as db:
        db.execute("ALTER TABLE metrics RENAME COLUMN is_nan TO was_nan")
    store = local.tracker._store
    assert store is not None and curves.sqlite_curves(store, runs, None) is None


def test_where_nothing_was_logged_nothing_is_made(local: Setting) -> None:
    tracker = local.make(tracking_uri="sqlite:///nowhere.db")
    database = tracker.connection.database
    assert tracker.curves(["0" * 32]) == {} and database is not None and not database.exists()


def test_a_damaged_database_is_an_error_that_names_it(local: Setting) -> None:
    database = local.tracker.connection.database
    assert database is not None
    database.parent.mkdir(parents=True, exist_ok=True)
    database.write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(MlxError, match="cannot be used"):
        local.tracker.curves(["0" * 32])


def test_a_server_that_is_down_or_refuses_says_so(local: Setting, server: Setting) -> None:
    with pytest.raises(UnreachableError):
        local.make(tracking_uri="http://127.0.0.1:9").curves(["0" * 32])
    address = server.tracker.connection.tracking_uri
    with pytest.raises(CredentialsError):
        local.make(
            tracking_uri=address, tracking_username="nobody", tracking_password="wrong-password"
        ).curves(["0" * 32])
