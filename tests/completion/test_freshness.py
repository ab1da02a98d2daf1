"""Names are right at once: after every command that changes one, and after a hand or git changed mlx.yaml."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.completion.answer import candidates
from mlxkit.completion.names import flavors
from tests.conftest import Result
from tests.fixtures.shelf import BETTER, GOOD, Shelf

Mlx = Callable[..., Result]

PROGRAM = """
from mlxkit import pipeline, step

@step
def one() -> int:
    return 1

@pipeline
def training() -> None:
    one()
"""


def words(*typed: str) -> list[str]:
    return [value for value, _ in candidates(list(typed))[1]]


def test_stacks_and_components_after_each_command(mlx: Mlx) -> None:
    assert words("stack", "set", "") == ["default"]
    mlx("tracker", "register", "team", "--flavor=mlflow")
    mlx("stack", "register", "prod", "-e", "team")
    assert words("stack", "set", "") == ["prod"]
    assert words("tracker", "describe", "t") == ["team"]
    mlx("stack", "rename", "prod", "live")
    assert words("stack", "set", "") == ["live"]
    assert mlx("stack", "delete", "live", "--yes", "--force").code == 0
    assert mlx("tracker", "delete", "team", "--yes").code == 0
    assert words("tracker", "describe", "t") == []


def test_a_hand_edit_is_seen_at_once(mlx: Mlx) -> None:
    mlx("init")
    path = Path("mlx.yaml")
    path.write_text(path.read_text().replace("  local: {experiment", "  mine: {experiment"))
    assert words("stack", "set", "") == ["mine"]


def test_a_git_checkout_is_seen_at_once(mlx: Mlx) -> None:
    def git(*argv: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *argv], check=True, capture_output=True
        )

    git("init", "-b", "main")
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  one: {}\n")
    git("add", "mlx.yaml")
    git("commit", "-m", "one")
    git("checkout", "-b", "other")
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  two: {}\n")
    git("commit", "-am", "two")
    assert words("stack", "set", "") == ["two"]
    git("checkout", "main")
    assert words("stack", "set", "") == ["one"]


@pytest.fixture
def file_store(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = home / "key"
    key.write_bytes(base64.b64encode(bytes(range(32))))
    key.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_KEY_FILE", str(key))
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")


def test_secrets_and_their_keys_but_no_value(file_store: None, home: Path, mlx: Mlx) -> None:
    assert words("secret", "get", "") == []
    assert mlx("secret", "create", "mlflow_secret", "--username=admin", "--password=c4n4ry-v4lue").code == 0
    mlx("secret", "create", "other", "--key.one=v4lue-two")
    assert words("secret", "get", "") == ["mlflow_secret", "other"]
    assert words("secret", "get", "mlflow_secret", "") == ["password", "username"] or words(
        "secret", "get", "mlflow_secret", ""
    ) == ["username", "password"]
    assert words("tracker", "update", "t", "--tracking_password={{oth") == [
        "--tracking_password={{other.key.one}}"
    ]
    mlx("secret", "rename", "other", "another", "--yes")
    mlx("secret", "delete", "mlflow_secret", "--yes")
    assert words("secret", "get", "") == ["another"]
    kept = [path for path in home.rglob("names/*") if path.is_file()]
    assert not [path for path in kept if b"v4lue" in path.read_bytes()]


def test_runs_and_pipelines_after_a_run(mlx: Mlx) -> None:
    Path("p.py").write_text(PROGRAM)
    Path("q.py").write_text(PROGRAM.replace("training", "nightly"))
    mlx("init")
    assert mlx("run", "p.py", "--name", "first").code == 0
    assert mlx("run", "q.py", "--name", "second").code == 0
    ids = [run["id"] for run in json.loads(mlx("runs", "list", "-o", "json").stdout)]
    assert words("runs", "describe", "") == ["latest", *ids, "second", "first"]
    assert words("runs", "describe", "fi") == ["first"]
    assert words("runs", "describe", ids[0][:-1]) == [ids[0]]
    assert words("pipeline", "describe", "") == ["nightly", "training"]
    assert words("runs", "list", "--pipeline", "n") == ["nightly"]


def test_a_memory_that_was_lost_comes_back_with_a_listing(mlx: Mlx) -> None:
    Path("p.py").write_text(PROGRAM)
    mlx("init")
    mlx("run", "p.py", "--name", "first")
    before = words("runs", "describe", "")
    shutil.rmtree(".mlx/names")
    assert words("runs", "describe", "") == []
    mlx("runs", "list")
    mlx("pipeline", "list")
    assert words("runs", "describe", "") == before
    assert words("pipeline", "describe", "") == ["training"]


def test_runs_are_forgotten_with_their_history(mlx: Mlx) -> None:
    Path("p.py").write_text(PROGRAM)
    mlx("init")
    mlx("run", "p.py")
    for path in Path(".mlx").glob("history.db*"):
        path.unlink()
    assert words("runs", "describe", "") == []


def test_a_listing_that_is_filtered_forgets_no_run(mlx: Mlx) -> None:
    Path("p.py").write_text(PROGRAM)
    mlx("init")
    for name in ("a1", "a2", "a3"):
        mlx("run", "p.py", "--name", name)
    mlx("runs", "list", "--status", "failed")
    mlx("runs", "list", "--limit", "1")
    assert words("runs", "describe", "a") == ["a3", "a2", "a1"]


def test_artifacts_after_a_listing(mlx: Mlx) -> None:
    Path("p.py").write_text(PROGRAM)
    mlx("init")
    mlx("run", "p.py")
    listed = mlx("artifact", "list", "-o", "name").stdout.split()
    assert listed
    assert words("artifact", "get", "tr") == listed


def test_models_versions_and_aliases(local_shelf: Shelf, mlx: Mlx) -> None:
    local_shelf.stock(GOOD, BETTER)
    assert words("model", "describe", "") == []
    mlx("model", "list")
    assert words("model", "describe", "") == ["iris"]
    assert words("model", "describe", "iris") == ["iris", "iris:2"]
    assert mlx("model", "promote", "iris:1", "--to", "production").code == 0
    assert words("model", "describe", "iris@") == ["iris@production"]
    mlx("model", "versions", "iris")
    assert sorted(words("model", "deploy", "iris:")) == ["iris:1", "iris:2"]
    assert words("model", "versions", "i") == ["iris"]
    mlx("model", "delete", "iris:2", "--yes")
    assert words("model", "deploy", "iris:") == ["iris:1"]
    mlx("model", "delete", "iris", "--yes", "--force")
    assert words("model", "describe", "") == []


def test_deployments_are_read_from_their_folders() -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    for name, has_file in (("one", True), ("made", False), (".locks", True)):
        folder = Path(".mlx/deployments") / name
        folder.mkdir(parents=True)
        if has_file:
            (folder / "deployment.json").write_text("{}")
    assert words("deployment", "stop", "") == ["one"]
    assert words("model", "predict", "o") == ["one"]


FLAVOR = """
from mlxkit.stacks.flavors import Attribute, Flavor
open("loaded", "a").close()
ROW = Flavor("experiment_tracker", "wandb", (Attribute("project", "str", "Which."), Attribute("api_key", "str", "Key.", secret=True)), "thirdparty:X", "W&B.")
"""


def test_flavors_of_others_are_known_after_a_listing_and_never_loaded_by_a_tab(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlx: Mlx
) -> None:
    (tmp_path / "thirdparty.py").write_text(FLAVOR)
    folder = tmp_path / "thirdparty-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[mlxkit.flavors]\nx = thirdparty:ROW\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (home / ".local/share/mlx").mkdir(parents=True)
    assert words("tracker", "register", "x", "--flavor=w") == []
    assert not Path("loaded").exists()
    assert "wandb" in mlx("flavor", "list").stdout
    Path("loaded").unlink()
    assert words("tracker", "register", "x", "--flavor=w") == ["--flavor=wandb"]
    assert words("tracker", "register", "x", "--flavor=wandb", "--p") == ["--project="]
    assert flavors("experiment_tracker")["wandb"][1]["api_key"] == ("str", "", True)
    assert not Path("loaded").exists()


def test_a_run_that_was_deleted_is_offered_no_more(mlx: Mlx) -> None:
    Path("p.py").write_text(PROGRAM)
    mlx("init")
    for name in ("kept", "gone"):
        mlx("run", "p.py", "--name", name)
    assert mlx("runs", "delete", "gone", "--yes").code == 0
    assert words("runs", "describe", "g") == []
    assert words("runs", "describe", "k") == ["kept"]
