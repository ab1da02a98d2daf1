"""`mlx flavor`."""

from __future__ import annotations

import json
from typing import Any

from mlxkit.integrations.mlflow.flavor import TRACKER


def test_list_shows_one_line_a_flavor(mlx: Any) -> None:
    lines = mlx("flavor", "list").stdout.splitlines()
    assert ["artifact_store", "local"] in [line.split("\t")[:2] for line in lines]
    assert mlx("flavor", "list", "tracker", "-o", "name").stdout == "mlflow\n"
    assert mlx("flavor", "list", "experiment_tracker", "-o", "name").stdout == "mlflow\n"


def test_describe_documents_every_attribute(mlx: Any) -> None:
    shown = mlx("flavor", "describe", "mlflow", "tracker")
    assert [line.split("\t")[0] for line in shown.stdout.splitlines()] == [
        item.name for item in TRACKER.attributes
    ]
    (flavor,) = json.loads(mlx("flavor", "describe", "mlflow", "tracker", "-o", "json").stdout)
    password = next(item for item in flavor["attributes"] if item["name"] == "tracking_password")
    assert password["is_secret"]
    assert password["help"]


def test_a_name_that_several_kinds_have_shows_them_all(mlx: Any) -> None:
    kinds = [
        flavor["kind"] for flavor in json.loads(mlx("flavor", "describe", "mlflow", "-o", "json").stdout)
    ]
    assert kinds == ["experiment_tracker", "model_registry", "model_deployer"]


def test_a_misspelt_name_is_answered(mlx: Any) -> None:
    done = mlx("flavor", "describe", "mlfow")
    assert done.code == 3
    assert "no flavor named 'mlfow' (did you mean 'mlflow'?)" in done.stderr
    assert mlx("flavor", "list", "trackr").code == 3
