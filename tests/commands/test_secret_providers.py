"""`mlx secret` and `mlx doctor` over a real OpenBao; the last part is about where a value must never be found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode
from tests.conftest import Result
from tests.fixtures.openbao import OpenBao
from tests.test_leaks import ProcessWatch, everything_under, forms
from tests.test_startup import loaded_by

Mlx = Callable[..., Result]
CANARY = "S3CR3T-of-all-of-us-91fe"


@pytest.fixture
def mount(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> str:
    """A team's mount, a project that names it, and a user whose tools go there."""
    mount = openbao.mount()
    openbao.put(mount, "mlx/mlflow_secret", {"username": "ada", "password": CANARY})
    text = f"version: 1\nsecret_providers:\n  team: {{flavor: vault, address: '{openbao.address}', mount: {mount}, path: mlx}}\n"
    Path("mlx.yaml").write_text(text)
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "env")
    monkeypatch.setenv("VAULT_ADDR", openbao.address)
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    return mount


def test_list_get_and_where_show_the_team_s_secrets(openbao: OpenBao, mount: str, mlx: Mlx) -> None:
    assert mlx("secret", "list").stdout == "mlflow_secret\t\tvault team\t\n"
    assert json.loads(mlx("secret", "list", "-o", "json").stdout)[0]["store"] == "vault team"
    assert json.loads(mlx("secret", "get", "mlflow_secret", "-o", "json").stdout)["keys"] == [
        "password",
        "username",
    ]
    assert mlx("secret", "get", "mlflow_secret", "password", "--reveal").stdout == CANARY + "\n"
    rows = json.loads(mlx("secret", "where", "-o", "json").stdout)
    assert (rows[-1]["name"], rows[-1]["secrets"]) == ("vault team", ["mlflow_secret"])
    assert f"{openbao.address} {mount}/mlx" in mlx("secret", "where", "mlflow_secret").stdout
    assert mlx("secret", "export", "mlflow_secret", "--reveal").stdout.count(CANARY) == 1


def test_an_export_to_a_file_and_its_import_make_it_one_s_own(
    mount: str, mlx: Mlx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert mlx("secret", "export", "mlflow_secret", "-f", str(tmp_path / "s.yaml")).code == ExitCode.ok
    (tmp_path / "key").write_text("pw")
    (tmp_path / "key").chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")
    assert mlx("secret", "import", str(tmp_path / "s.yaml")).code == ExitCode.ok
    shown = mlx("secret", "list")
    assert shown.stdout == "mlflow_secret\tpassword, username\tencrypted file\t\n"
    assert "note: mlflow_secret is in vault team, too; the one in encrypted file counts" in shown.stderr
    assert "not used: encrypted file comes first" in mlx("secret", "where", "mlflow_secret").stderr


@pytest.mark.parametrize(
    "argv", [["delete", "--yes"], ["delete", "--dry-run"], ["rename", "other"], ["update", "--k=v"]]
)
def test_a_change_is_refused_with_what_makes_it(mount: str, mlx: Mlx, argv: list[str]) -> None:
    done = mlx("secret", argv[0], "mlflow_secret", *argv[1:])
    assert done.code == ExitCode.credentials
    assert "mlx only reads there" in done.stderr
    assert f"bao kv patch -mount={mount} mlx/mlflow_secret KEY=VALUE" in done.stderr


def test_a_component_may_refer_to_it_without_a_warning(
    mount: str, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    def registered(name: str, reference: str) -> str:
        return mlx(
            "tracker", "register", name, "--flavor=mlflow", "--tracking_uri=http://127.0.0.1:9",
            "--tracking_username=ada", f"--tracking_password={reference}",
        ).stderr  # fmt: skip

    assert "no secret named" not in registered("team", "<<mlflow_secret.password>>")
    assert "no secret named 'mlflow_sekret'" in registered("other", "<<mlflow_sekret.password>>")
    monkeypatch.setenv("MLX_SECRET_MLFLOW_SECRET__USERNAME", "bob")  # beside the provider's other keys
    assert "has no key" not in registered("mine", "<<mlflow_secret.password>>")


def test_the_list_says_who_does_not_answer_and_is_no_failure(
    mount: str, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    Path("mlx.yaml").write_text("secret_providers: {team: {flavor: vault}}\n")
    done = mlx("secret", "list")
    assert (done.code, done.stdout) == (ExitCode.ok, "")
    assert "note: vault team: http://127.0.0.1:9 does not answer" in done.stderr
    assert mlx("secret", "get", "x").code == ExitCode.credentials


def test_the_doctor_asks_only_online(
    openbao: OpenBao, mount: str, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finding(*argv: str, name: str = "secret provider team") -> dict[str, Any]:
        found = json.loads(mlx("doctor", "-o", "json", *argv).stdout)["findings"]
        return next(item for item in found if item["name"] == name)

    assert "was not asked; --online does" in finding()["said"]
    assert "answers and takes the login" in finding("--online")["said"]
    monkeypatch.setenv("VAULT_TOKEN", "s.wrong")
    assert finding()["state"] == "ok"
    wrong = finding("--online")
    assert wrong["state"] == "fail" and "bao login" in wrong["fix"]
    assert "as far as the providers could be asked" in finding(name="references")["said"]


def test_without_a_provider_nothing_of_it_is_imported() -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    for argv in (["secret", "list"], ["stack", "list"], ["secret", "where"]):
        loaded = loaded_by(argv)
        assert not {name for name in loaded if name.startswith("mlxkit.secrets.providers")}, argv
        assert not loaded & {"boto3", "botocore", "mlxkit.config.secret_providers"}, argv
    assert "urllib.request" not in loaded_by(["secret", "list"])


def test_a_stack_list_beside_a_provider_asks_nobody(mount: str) -> None:
    loaded = loaded_by(["stack", "list"])
    assert not {name for name in loaded if name.startswith("mlxkit.secrets.providers")}
    assert "http.client" not in loaded


PIPELINE = """
import json, os, subprocess, sys
import mlflow
from mlxkit import Client, pipeline, step

@step(experiment_tracker="team")
def train() -> float:
    mlflow.log_metric("accuracy", 0.9)
    dump = [sys.executable, "-c", "import os, json; print(json.dumps(dict(os.environ)))"]
    with open("child-environment.json", "w") as handle:
        handle.write(subprocess.run(dump, capture_output=True, text=True).stdout)
    print("the password is", Client().secrets.lookup("mlflow_secret")["password"])
    return 0.9

@pipeline
def leaks_of_a_provider() -> None:
    train()
"""


@pytest.mark.integration
def test_a_value_of_the_provider_is_in_no_file_no_argv_and_no_child(
    openbao: OpenBao, mount: str, mlflow_server: Any, home: Path, tmp_path: Path
) -> None:
    password = mlflow_server.password
    openbao.put(mount, "mlx/mlflow_secret", {"username": mlflow_server.username, "password": password})
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    outputs = []
    watch = ProcessWatch()
    watch.start()

    def mlx(*argv: str) -> str:
        command = [sys.executable, "-m", "mlxkit", *argv]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        outputs.append(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        mlx(
            "tracker", "register", "team", "--flavor=mlflow", f"--tracking_uri={mlflow_server.uri}",
            "--tracking_username=<<mlflow_secret.username>>", "--tracking_password=<<mlflow_secret.password>>",
        )  # fmt: skip
        mlx("stack", "register", "team", "-e", "team", "--set")
        mlx("tracker", "test", "team")
        Path("training.py").write_text(PIPELINE)
        assert "the password is ***" in mlx("run", "training.py")
        mlx("secret", "list")
        mlx("secret", "get", "mlflow_secret")
        mlx("secret", "where", "mlflow_secret", "-o", "json")
        mlx("doctor", "--online")
        mlx(
            "exec", "--", sys.executable, "-c", "import os; print(os.environ.get('MLFLOW_TRACKING_PASSWORD'))"
        )
    finally:
        watch.done.set()
        watch.join(5)
    assert [item["info"]["status"] for item in mlflow_server.admin.runs("leaks_of_a_provider")] == [
        "FINISHED"
    ]
    wanted = forms(password)
    files = [str(path) for path, data in everything_under(home, tmp_path) for form in wanted if form in data]
    assert files == []
    assert "mlflow_secret" not in "".join(path.name for path, _ in everything_under(home / ".local"))
    assert not [form for form in wanted if form in watch.seen]
    assert not [form for form in wanted if form in "".join(outputs).encode()]
    assert openbao.root not in "".join(outputs)
