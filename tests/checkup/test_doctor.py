"""`mlx doctor`: every check sees what it is there for."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from mlxkit.checkup import version_checks
from mlxkit.checkup.findings import Finding


@pytest.fixture(autouse=True)
def _file_store(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets go to the encrypted file, where no desktop is."""
    password = home / "password"
    password.write_text("correct horse battery staple\n")
    password.chmod(0o600)
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(password))


def examined(mlx, *argv: str) -> tuple[int, dict[str, list[dict]]]:  # type: ignore[no-untyped-def, type-arg]
    done = mlx("doctor", *argv, "-o", "json")
    data = json.loads(done.stdout)
    assert data["schema_version"] == 1
    assert data["is_healthy"] == (done.code == 0)
    by_name: dict[str, list[dict]] = {}  # type: ignore[type-arg]
    for item in data["findings"]:
        by_name.setdefault(item["name"], []).append(item)
    return done.code, by_name


def states(found: dict[str, list[dict]], name: str) -> list[str]:  # type: ignore[type-arg]
    return [item["state"] for item in found[name]]


def test_a_fresh_project_is_healthy(mlx) -> None:
    mlx("init")
    code, found = examined(mlx)
    assert code == 0
    assert {state for name in found for state in states(found, name)} == {"ok"}


def test_a_broken_file_does_not_hide_the_other_checks(mlx) -> None:
    Path("mlx.yaml").write_text("stacks: [\n")
    code, found = examined(mlx)
    assert code == 1
    assert states(found, "config") == ["fail"]
    assert states(found, "keyring") == ["ok"]
    assert "tracker" not in found


def test_a_plain_credential_fails_with_the_commands_that_move_it(mlx) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  team: {flavor: mlflow, tracking_uri: 'https://mlflow.invalid', tracking_token: hunter22}\n"
    )
    done = mlx("doctor")
    assert done.code == 1
    assert "hunter22" not in done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if "\tcredentials\t" in line)
    assert line.endswith(
        'mlx secret create team_secret --token && mlx tracker update team --tracking_token="<<team_secret.token>>"'
    )
    assert mlx("secret", "create", "team_secret", "--token=hunter22").code == 0
    assert mlx("tracker", "update", "team", "--tracking_token=<<team_secret.token>>").code == 0
    assert mlx("doctor").code == 0


def test_two_plain_credentials_of_a_component_have_one_fix_that_works(mlx, mlx_process: list[str]) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n"
        "  t: {flavor: mlflow, tracking_uri: 'https://m.invalid', tracking_username: ada, tracking_password: hunter22}\n"
    )
    (finding,) = examined(mlx)[1]["credentials"]
    create, update = finding["fix"].split(" && ")
    assert create == "mlx secret create t_secret --username --password"
    assert mlx(*shlex.split(create)[1:-2], "--username=ada", "--password=hunter22").code == 0
    assert mlx(*shlex.split(update)[1:]).code == 0
    assert examined(mlx)[0] == 0


def test_a_credential_inside_of_an_address_is_told_once_with_what_helps(mlx) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: s\nexperiment_trackers:\n  t: {flavor: mlflow, tracking_uri: 'https://ada:hunter22@m.invalid'}\n"
        "stacks:\n  s: {experiment_tracker: t}\n"
    )
    code, found = examined(mlx)
    assert code == 1
    assert "hunter22" not in str(found)
    told = [
        item
        for items in found.values()
        for item in items
        if item["state"] == "fail" and "tracking_uri" in item["said"]
    ]
    assert [item["name"] for item in told if item["name"] != "tracker"] == ["experiment tracker t"]
    assert states(found, "artifact store") == ["ok"]


def test_a_reference_to_nothing_fails(mlx) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  team: {flavor: mlflow, tracking_uri: 'https://mlflow.invalid', tracking_token: <<a.token>>}\n"
    )
    code, found = examined(mlx)
    assert code == 1
    assert found["references"][0]["fix"] == "mlx secret create a --token"


def test_the_probe_leaves_nothing_in_the_store(mlx) -> None:
    assert mlx("secret", "create", "mine", "--key=value").code == 0
    assert states(examined(mlx)[1], "keyring") == ["ok"]
    assert mlx("secret", "list", "-o", "name").stdout == "mine\n"
    from mlxkit.secrets.stores.encrypted_file import EncryptedFileStore

    assert set(EncryptedFileStore()._items()[1]) == {"mine"}


def test_a_real_keyring_is_written_read_and_emptied(
    mlx, real_keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLX_SECRETS_BACKEND")
    code, found = examined(mlx)
    assert code == 0
    assert "keyring" in found["keyring"][0]["said"]


def test_no_store_is_a_warning_until_something_refers_to_a_secret(
    mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", "/nowhere")
    assert states(examined(mlx)[1], "keyring") == ["warn"]
    Path("mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  team: {flavor: mlflow, tracking_uri: 'https://mlflow.invalid', tracking_token: <<a.token>>}\n"
    )
    assert states(examined(mlx)[1], "keyring") == ["fail"]
    monkeypatch.setenv("MLX_SECRET_A__TOKEN", "from CI")
    code, found = examined(mlx)
    assert (code, states(found, "keyring")) == (0, ["warn"])


def test_a_server_that_is_down_fails_only_online(mlx) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: team\nexperiment_trackers:\n  team: {flavor: mlflow, tracking_uri: 'http://127.0.0.1:9', anonymous: true}\n"
        "stacks:\n  team: {experiment_tracker: team}\n"
    )
    assert states(examined(mlx)[1], "tracker") == ["ok"]
    code, found = examined(mlx, "--online")
    assert (code, states(found, "tracker")) == (1, ["fail"])


def test_a_server_that_answers_is_said_to(mlx, mlflow_server) -> None:
    mlx(
        "secret",
        "create",
        "s",
        f"--username={mlflow_server.username}",
        f"--password={mlflow_server.password}",
    )
    mlx("tracker", "register", "team", "--flavor=mlflow", f"--tracking_uri={mlflow_server.uri}",
        "--tracking_username=<<s.username>>", "--tracking_password=<<s.password>>")  # fmt: skip
    mlx("stack", "register", "team", "-e", "team", "--set")
    code, found = examined(mlx, "--online")
    assert code == 0
    assert found["tracker"][0]["said"].endswith("answers")


def test_a_store_that_cannot_be_written_fails(mlx, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    Path("mlx.yaml").write_text(
        f"version: 1\ndefault_stack: x\nartifact_stores:\n  big: {{flavor: local, path: {tmp_path / 'file' / 'store'}}}\nstacks:\n  x: {{artifact_store: big}}\n"
    )
    (finding,) = examined(mlx)[1]["artifact store"]
    assert (finding["state"], finding["fix"]) == ("fail", f"ls -ld {tmp_path / 'file'}")


def test_a_damaged_history_fails(mlx) -> None:
    state = Path(".mlx")
    mlx("init")
    state.mkdir(mode=0o700, exist_ok=True)
    (state / "history.db").write_bytes(b"SQLite format 3\0" + b"\1" * 4000)
    (state / "history.db").chmod(0o600)
    assert states(examined(mlx)[1], "history") == ["fail"]


def test_files_that_others_may_read_fail_and_the_fix_mends_them(mlx, mlx_process) -> None:
    import subprocess

    mlx("init")
    assert mlx("secret", "create", "mine", "--key=value").code == 0
    examined(mlx)
    Path(".mlx").chmod(0o755)
    Path("mlx.yaml").chmod(0o666)
    code, found = examined(mlx)
    assert code == 1
    assert len(found["file modes"]) == 2
    for item in found["file modes"]:
        subprocess.run(item["fix"], shell=True, check=True)
    assert examined(mlx)[0] == 0


def test_the_probe_does_not_put_right_what_is_to_be_told(mlx, home: Path) -> None:
    assert mlx("secret", "create", "mine", "--key=value").code == 0
    sealed = next(home.rglob("secrets.enc"))
    sealed.chmod(0o644)
    _, found = examined(mlx)
    assert [item["fix"] for item in found["file modes"]] == [f"chmod go= {sealed}"]


def test_why_no_store_can_be_used_is_said(mlx, home: Path) -> None:
    (home / "password").write_text("not the one\n")
    assert mlx("secret", "create", "mine", "--key=value").code == 0
    (home / "password").write_text("another one\n")
    from mlxkit.secrets.stores import encrypted_file

    encrypted_file._opened.clear()
    (finding,) = examined(mlx)[1]["keyring"]
    assert "encrypted file" in finding["said"] and "password" in finding["said"]


def test_a_library_outside_of_its_range_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1" if name == "keyring" else "99")
    found = {item.said: item for item in version_checks.check_versions()}
    assert (
        Finding("versions", "fail", "keyring 0.1 is outside of >=25", "pip install 'keyring>=25'")
        in found.values()
    )
    assert any(said.startswith("typer 99") for said in found)


def test_a_library_that_the_stack_needs_fails_where_it_is_missing(
    mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ["not-there[client]>=2; extra == 'ray'", "nor-this>=1; extra == 'dev'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: wanted)
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: here\norchestrators:\n  cluster: {flavor: ray}\nstacks:\n  here: {}\n  far: {orchestrator: cluster}\n"
    )
    assert examined(mlx)[0] == 0
    code, found = examined(mlx, "--stack", "far")
    (finding,) = [item for item in found["versions"] if item["state"] == "fail"]
    assert (code, finding["said"], finding["fix"]) == (
        1,
        "not-there is not installed",
        "pip install 'mlxkit[ray]'",
    )


def test_the_fix_of_a_damaged_history_works_in_a_folder_with_blanks(
    mlx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    folder = tmp_path / "my project \u00e4"
    (folder / ".mlx").mkdir(parents=True, mode=0o700)
    (folder / "mlx.yaml").write_text("version: 1\n")
    (folder / ".mlx" / "history.db").write_bytes(b"SQLite format 3\0" + b"\1" * 4000)
    monkeypatch.chdir(folder)
    (finding,) = examined(mlx)[1]["history"]
    subprocess.run(finding["fix"], shell=True, check=True)
    assert states(examined(mlx)[1], "history") == ["ok"]
