from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.config.yamltext import load_yaml
from mlxkit.secrets.usage import rewrite, users_of

CONFIG = """\
version: 1
experiment_trackers:
  team:
    flavor: mlflow
    tracking_uri: https://<<db.host>>/x   # where it is
    tracking_username: "{{ db.user }}"
    tracking_password: <<other.password>>
  literal:
    flavor: mlflow
    tracking_uri: https://h
    tracking_username: \\<<db.user>>
    tracking_password: <<db2.password>>
artifact_stores:
  lake: {flavor: local, path: "<<db.path>>"}
"""


@pytest.fixture
def config() -> Path:
    path = Path("mlx.yaml")
    path.write_text(CONFIG)
    return path


def test_every_attribute_that_refers_to_a_secret_is_named(config: Path) -> None:
    assert users_of("db") == [
        "mlx.yaml: experiment_trackers.team.tracking_uri",
        "mlx.yaml: experiment_trackers.team.tracking_username",
        "mlx.yaml: artifact_stores.lake.path",
    ]
    assert users_of("nobody") == []


def test_without_a_configuration_nobody_uses_anything() -> None:
    assert users_of("db") == []


def test_the_user_s_own_file_counts_too(config: Path, home: Path) -> None:
    own = home / ".config" / "mlx" / "mlx.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("version: 1\nexperiment_trackers:\n  mine: {flavor: mlflow, tracking_token: <<mine.t>>}\n")
    assert users_of("mine") == [f"{own}: experiment_trackers.mine.tracking_token"]
    assert len(users_of("db")) == 3


def test_a_file_that_cannot_be_read_is_named_instead_of_raised(config: Path) -> None:
    config.write_text("version: [")
    (use,) = users_of("db")
    assert use.startswith("mlx.yaml, which cannot be read: ")


def test_references_are_rewritten_and_nothing_else_is_touched(config: Path) -> None:
    rewrite("db", "database")
    before, after = CONFIG.splitlines(), config.read_text().splitlines()
    assert len(after) == len(before)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [old.split(":")[0].strip() for old, _ in changed] == ["tracking_uri", "tracking_username", "lake"]
    assert changed[0][1].endswith("   # where it is")
    data = load_yaml(config.read_text(), what="mlx.yaml")
    team = data["experiment_trackers"]["team"]
    assert team["tracking_uri"] == "https://<<database.host>>/x"
    assert team["tracking_username"] == "<<database.user>>"
    assert data["artifact_stores"]["lake"] == {"flavor": "local", "path": "<<database.path>>"}
    assert users_of("db") == []
    assert len(users_of("database")) == 3


def test_a_rewrite_without_references_writes_nothing(config: Path) -> None:
    before = config.stat().st_mtime_ns
    rewrite("nobody", "somebody")
    assert config.stat().st_mtime_ns == before
