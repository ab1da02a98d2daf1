"""`mlx secret`, over the encrypted file; the last part is about what must never be seen."""

from __future__ import annotations

import base64
import io
import json
import os
import pty
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from mlxkit.config.yamltext import load_yaml
from mlxkit.errors import ExitCode
from mlxkit.secrets.service import SecretService
from tests.conftest import Result

Mlx = Callable[..., Result]
CANARY = "S3CR3T-canary-7f3a9c"


@pytest.fixture(autouse=True)
def _file_store(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = home / "key"
    key.write_bytes(base64.b64encode(bytes(range(32))))
    key.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_KEY_FILE", str(key))
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")


def _values(name: str) -> dict[str, str]:
    return SecretService().reveal(name)


def _pipe(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


# -- create


def test_create_stores_what_was_given_and_says_where(mlx: Mlx) -> None:
    result = mlx("secret", "create", "mlflow_secret", "--username=admin", "--password=abc=12 3")
    assert (result.code, result.stdout) == (ExitCode.ok, "")
    assert "stored mlflow_secret in the encrypted file: username, password" in result.stderr
    assert _values("mlflow_secret") == {"username": "admin", "password": "abc=12 3"}


def test_the_name_may_come_after_the_values_and_blank_words_are_ignored(mlx: Mlx) -> None:
    assert mlx("secret", "create", "--a=1", " ", "db", "", "--b=2", "\t").code == ExitCode.ok
    assert _values("db") == {"a": "1", "b": "2"}


def test_a_literal_gets_one_hint_about_the_history(mlx: Mlx, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mlx("secret", "create", "a", "--user=longer", "--password=longer").stderr.count("history") == 1
    _pipe(monkeypatch, b"from a pipe")
    assert "history" not in mlx("secret", "create", "b", "--password=-").stderr


def test_a_value_that_is_too_short_to_be_masked_is_pointed_out(mlx: Mlx) -> None:
    assert "pin is too short to be masked" in mlx("secret", "create", "a", "--pin=123", "--word=1234").stderr


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"v\n", "v"),
        (b"v\r\n", "v"),
        (b"v\n\n", "v\n"),
        (b"v", "v"),
        (b" a b ", " a b "),
        ("ü\n".encode(), "ü"),
    ],
)
def test_a_value_from_a_pipe_or_a_file_loses_one_newline(
    mlx: Mlx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes, value: str
) -> None:
    _pipe(monkeypatch, data)
    (tmp_path / "file").write_bytes(data)
    assert mlx("secret", "create", "db", "--pipe=-", f"--file=@{tmp_path}/file").code == ExitCode.ok
    assert _values("db") == {"pipe": value, "file": value}


def test_two_ats_are_one_and_read_nothing(mlx: Mlx) -> None:
    assert mlx("secret", "create", "db", "--k=@@/etc/passwd", "--l=a@b").code == ExitCode.ok
    assert _values("db") == {"k": "@/etc/passwd", "l": "a@b"}


@pytest.mark.parametrize("how", ["inline", "pipe", "file"])
@pytest.mark.parametrize("text", ['{"user": "u", "port": 5432}', "user: u\nport: 5432\n"])
def test_values_come_as_a_document(
    mlx: Mlx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, text: str
) -> None:
    (tmp_path / "values").write_text(text)
    _pipe(monkeypatch, text.encode())
    source = {"inline": text, "pipe": "-", "file": f"@{tmp_path}/values"}[how]
    assert mlx("secret", "create", "db", f"--values={source}", "--user=overridden").code == ExitCode.ok
    assert _values("db") == {"user": "overridden", "port": "5432"}


def test_a_key_that_is_called_like_an_option_goes_into_values(mlx: Mlx) -> None:
    assert mlx("secret", "create", "db", '--values={"values": "v", "help": "h"}').code == ExitCode.ok
    assert _values("db") == {"values": "v", "help": "h"}


@pytest.mark.parametrize(
    "words", [["--password="], ["--password=", "--user=u"], ['--values={"password": ""}']]
)
def test_an_empty_value_explains_the_here_document(mlx: Mlx, words: list[str]) -> None:
    result = mlx("secret", "create", "db", *words)
    assert result.code == ExitCode.usage
    assert "--password is empty: if you wrote <<...>> without quotes" in result.stderr
    assert '"<<name.key>>"' in result.stderr
    assert SecretService().list() == []
    assert mlx("secret", "create", "db", *words, "--allow-empty").code == ExitCode.ok
    assert _values("db")["password"] == ""


def test_standard_input_cannot_be_read_twice(mlx: Mlx, monkeypatch: pytest.MonkeyPatch) -> None:
    _pipe(monkeypatch, b"x")
    result = mlx("secret", "create", "db", "--a=-", "--b=-")
    assert (result.code, "standard input went to --a already" in result.stderr) == (ExitCode.usage, True)


def test_a_prompt_without_a_terminal_is_refused(mlx: Mlx) -> None:
    result = mlx("secret", "create", "db", "--password")
    assert result.code == ExitCode.usage
    assert "there is no terminal" in result.stderr


def test_without_a_store_the_ways_out_are_shown(mlx: Mlx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLX_KEYRING_KEY_FILE")
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "auto")
    result = mlx("secret", "create", "db", f"--k={CANARY}")
    assert result.code == ExitCode.credentials
    for way in ("1. a keyring", "2. an encrypted file", "3. no store", "mlx secret where"):
        assert way in result.stderr


def test_falling_back_to_the_file_is_announced(mlx: Mlx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "auto")
    result = mlx("secret", "create", "db", "--k=value")
    assert "stored db in the encrypted file" in result.stderr
    assert "note: not in the keyring: " in result.stderr


def test_a_value_that_the_environment_overrides_is_pointed_out(
    mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_DB__K", "given")
    assert "the environment has its own value of k" in mlx("secret", "create", "db", "--k=stored").stderr


# -- list, get


def test_list_shows_names_keys_and_stores_in_every_form(mlx: Mlx) -> None:
    mlx("secret", "create", "b", f"--x={CANARY}")
    mlx("secret", "create", "a", f"--x={CANARY}", f"--y={CANARY}")
    assert mlx("secret", "list").stdout == "a\tx, y\tencrypted file\t\nb\tx\tencrypted file\t\n"
    assert mlx("secret", "list", "-o", "name").stdout == "a\nb\n"
    rows = json.loads(mlx("secret", "list", "-o", "json").stdout)
    assert rows[0] == {
        "schema_version": 1,
        "name": "a",
        "keys": ["x", "y"],
        "store": "encrypted file",
        "from_environment": [],
        "state": "",
        "also_in": [],
    }
    assert load_yaml(mlx("secret", "list", "-o", "yaml").stdout, what="x") == rows


def test_an_empty_list_is_no_error(mlx: Mlx) -> None:
    result = mlx("secret", "list")
    assert (result.code, result.stdout) == (ExitCode.ok, "")
    assert "no secrets" in result.stderr
    assert mlx("secret", "list", "-o", "json").stdout == "[]\n"


def test_get_shows_values_only_when_told_to(mlx: Mlx) -> None:
    mlx("secret", "create", "db", f"--k={CANARY}", "--l=two\nlines\n")
    for argv in (["db"], ["db", "k"], ["db", "-o", "json"], ["db", "k", "-o", "yaml"]):
        result = mlx("secret", "get", *argv)
        assert result.code == ExitCode.ok
        assert "db" in result.stdout
        assert CANARY not in result.stdout + result.stderr
    assert mlx("secret", "get", "db", "k", "--reveal").stdout == f"{CANARY}\n"
    assert mlx("secret", "get", "db", "l", "--reveal").stdout == "two\nlines\n\n"
    assert json.loads(mlx("secret", "get", "db", "--reveal", "-o", "json").stdout)["values"]["k"] == CANARY


def test_get_suggests_for_a_name_and_a_key(mlx: Mlx) -> None:
    mlx("secret", "create", "mlflow_secret", "--password=value")
    for argv in (["mlflow_secrt"], ["mlflow_secret", "pasword"], ["mlflow_secret", "pasword", "--reveal"]):
        result = mlx("secret", "get", *argv)
        assert result.code == ExitCode.not_found
        assert "did you mean" in result.stderr
        assert result.stdout == ""


@pytest.mark.parametrize("fmt", ["json", "yaml"])
def test_one_revealed_key_is_printed_in_the_format_that_was_asked_for(mlx: Mlx, fmt: str) -> None:
    mlx("secret", "create", "db", "--k=0123", "--other=x")
    shown = load_yaml(mlx("secret", "get", "db", "k", "--reveal", "-o", fmt).stdout, what="x")
    assert (shown["keys"], shown["values"]) == (["k"], {"k": "0123"})
    assert mlx("secret", "get", "db", "k", "--reveal").stdout == "0123\n"


@pytest.mark.parametrize("word", [f"-x{CANARY}", f"-xh{CANARY}", "-xh", f"-h{CANARY}", f"-i{CANARY}", "-x"])
@pytest.mark.parametrize(
    "command", [["secret", "create"], ["secret", "update"], ["secrets-manager", "secret", "register"]]
)
def test_a_word_with_one_dash_is_no_option_and_not_repeated(mlx: Mlx, command: list[str], word: str) -> None:
    result = mlx(*command, "n9", word)
    assert (result.code, result.stdout) == (ExitCode.usage, "")
    assert "one dash" in result.stderr
    assert CANARY not in result.stderr


def test_known_options_with_one_dash_are_taken(mlx: Mlx) -> None:
    assert mlx("secret", "create", "a", "-v", '{"k": "long"}').code == ExitCode.ok
    assert mlx("secret", "create", "b", "-vk: -long").code == ExitCode.ok
    assert mlx("secret", "update", "b", "-v", "-").code != ExitCode.ok
    assert _values("b") == {"k": "-long"}
    assert "Usage: mlx secret create" in mlx("secret", "create", "-h").stdout


# -- update, rename, delete


def test_update_sets_and_removes(mlx: Mlx) -> None:
    mlx("secret", "create", "db", "--a=1", "--b=2", "--c=3")
    result = mlx("secret", "update", "db", "--a=11", "--remove", "b", "--remove=c", "--values=d: x")
    assert (result.code, result.stdout) == (ExitCode.ok, "")
    assert "updated db in the encrypted file: a, d" in result.stderr
    assert _values("db") == {"a": "11", "d": "x"}


def test_update_with_nothing_says_how(mlx: Mlx) -> None:
    mlx("secret", "create", "db", "--a=1")
    result = mlx("secret", "update", "db")
    assert (result.code, "mlx secret update db --KEY" in result.stderr) == (ExitCode.usage, True)


@pytest.fixture
def used() -> Path:
    path = Path("mlx.yaml")
    path.write_text(
        "version: 1\nexperiment_trackers:\n  team:\n    flavor: mlflow\n    tracking_uri: http://localhost:1\n"
        "    tracking_username: u\n    tracking_password: <<db.password>>  # from the team\n"
    )
    return path


def test_rename_breaks_no_reference_and_with_yes_changes_them(mlx: Mlx, used: Path) -> None:
    mlx("secret", "create", "db", "--password=value")
    result = mlx("secret", "rename", "db", "team-db")
    assert result.code == ExitCode.usage
    assert "mlx.yaml: experiment_trackers.team.tracking_password" in result.stderr
    assert "add --yes" in result.stderr
    assert "<<db.password>>" in used.read_text()
    assert SecretService().names() == ["db"]
    result = mlx("secret", "rename", "db", "other", "--yes")
    assert (
        "changed the references in\n  mlx.yaml: experiment_trackers.team.tracking_password" in result.stderr
    )
    assert "<<other.password>>  # from the team" in used.read_text()


def test_the_token_of_a_deployment_is_a_use_of_a_secret(mlx: Mlx) -> None:
    from mlxkit.deployments.entries import DeploymentEntry
    from mlxkit.deployments.store import DeploymentStore

    Path("mlx.yaml").write_text("version: 1\n")
    store = DeploymentStore(Path(".mlx").absolute())
    entry = DeploymentEntry(
        "d", "iris", 1, "iris:1", store.new_folder("d"), "1-aa", token="<<serving.token>>"
    )
    store.write(entry)
    assert mlx("secret", "create", "serving", "--token=abcdef").code == 0
    refused = mlx("secret", "rename", "serving", "other")
    assert refused.code == ExitCode.usage
    assert "deployment d: token" in refused.stderr
    assert mlx("secret", "rename", "serving", "other", "--yes").code == 0
    assert store.get("d").token == "<<other.token>>"
    refused = mlx("secret", "delete", "other")
    assert refused.code == ExitCode.usage
    assert "deployment d: token" in refused.stderr


def test_rename_changes_nothing_when_a_configuration_cannot_be_read(mlx: Mlx, used: Path) -> None:
    mlx("secret", "create", "db", "--password=value")
    used.write_text(used.read_text() + "stacks: [\n")
    assert mlx("secret", "rename", "db", "other", "--yes").code == ExitCode.configuration
    assert SecretService().names() == ["db"]


def test_delete_names_what_uses_it_and_refuses_where_nobody_answers(mlx: Mlx, used: Path) -> None:
    mlx("secret", "create", "db", "--password=value")
    result = mlx("secret", "delete", "db")
    assert result.code == ExitCode.usage
    assert "it is used by\n  mlx.yaml: experiment_trackers.team.tracking_password" in result.stderr
    assert SecretService().names() == ["db"]
    assert mlx("secret", "delete", "db", "--yes").code == ExitCode.ok
    assert SecretService().names() == []


def test_delete_of_what_is_not_there_does_not_ask(mlx: Mlx) -> None:
    assert mlx("secret", "delete", "db").code == ExitCode.not_found


# -- import, export, where


@pytest.mark.parametrize("name", ["out.json", "out.yaml"])
def test_export_and_import_round_trip_through_a_private_file(mlx: Mlx, name: str) -> None:
    mlx("secret", "create", "a", "--k=007", "--l=yes")
    mlx("secret", "create", "b", "--values", json.dumps({"m": "two\nlines", "n": "ü\u2028"}))
    before = SecretService().export()
    umask = os.umask(0)
    try:
        result = mlx("secret", "export", "-f", name)
    finally:
        os.umask(umask)
    assert (result.code, result.stdout) == (ExitCode.ok, "")
    assert f"warning: {name} has 2 secrets in plain text" in result.stderr
    assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    for secret in ("a", "b"):
        mlx("secret", "delete", secret, "--yes")
    result = mlx("secret", "import", name)
    assert result.code == ExitCode.ok
    assert "still has the values in plain text" in result.stderr
    assert SecretService().export() == before


def test_import_of_nothing_says_so(mlx: Mlx) -> None:
    Path("none.json").write_text("{}")
    result = mlx("secret", "import", "none.json")
    assert (result.code, result.stderr) == (ExitCode.ok, "note: there are no secrets in none.json\n")


def test_export_replaces_no_file_unless_forced(mlx: Mlx) -> None:
    mlx("secret", "create", "a", "--k=value")
    Path("out.yaml").write_text("mine")
    Path("out.yaml").chmod(0o644)
    result = mlx("secret", "export", "a", "--output-file=out.yaml")
    assert (result.code, Path("out.yaml").read_text()) == (ExitCode.failed, "mine")
    assert mlx("secret", "export", "a", "--output-file=out.yaml", "--force").code == ExitCode.ok
    assert stat.S_IMODE(Path("out.yaml").stat().st_mode) == 0o600


def test_export_to_the_screen_has_to_be_asked_for(mlx: Mlx) -> None:
    mlx("secret", "create", "a", f"--k={CANARY}")
    result = mlx("secret", "export")
    assert (result.code, result.stdout) == (ExitCode.usage, "")
    assert "--reveal" in result.stderr
    assert load_yaml(mlx("secret", "export", "--reveal").stdout, what="x") == {"a": {"k": CANARY}}


def test_import_of_something_that_exists_changes_nothing_unless_forced(
    mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlx("secret", "create", "a", "--k=old")
    Path("in.yaml").write_text("a: {k: new}\nb: {k: v}\n")
    result = mlx("secret", "import", "in.yaml")
    assert (result.code, "already there: a" in result.stderr) == (ExitCode.failed, True)
    assert SecretService().export() == {"a": {"k": "old"}}
    _pipe(monkeypatch, Path("in.yaml").read_bytes())
    assert mlx("secret", "import", "-", "--force").code == ExitCode.ok
    assert SecretService().export() == {"a": {"k": "new"}, "b": {"k": "v"}}


def test_where_shows_every_store_and_the_reason_against_it(mlx: Mlx, monkeypatch: pytest.MonkeyPatch) -> None:
    mlx("secret", "create", "db", "--k=value")
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "auto")
    monkeypatch.setenv("MLX_SECRET_DB__TOKEN", "given")
    rows = {row["name"]: row for row in json.loads(mlx("secret", "where", "-o", "json").stdout)}
    assert list(rows) == ["environment", "keyring", "encrypted file"]
    assert rows["keyring"]["is_usable"] is False
    assert "cannot work here" in rows["keyring"]["note"]
    assert rows["encrypted file"]["secrets"] == ["db"]
    places = json.loads(mlx("secret", "where", "db", "-o", "json").stdout)
    assert [(place["name"], place["keys"]) for place in places] == [
        ("environment", ["token"]),
        ("encrypted file", ["k"]),
    ]


@pytest.mark.integration
def test_over_a_real_keyring_the_keyring_command_sees_the_same(
    mlx: Mlx, real_keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLX_SECRETS_BACKEND")
    result = mlx("secret", "create", "mlflow_secret", "--username=u", f"--password={CANARY}")
    assert "stored mlflow_secret in the keyring: username, password" in result.stderr
    keyring = [sys.executable, "-m", "keyring", "get", "mlx:mlflow_secret", "mlx"]
    shown = subprocess.run(keyring, capture_output=True, text=True, check=True).stdout
    assert json.loads(shown) == {"username": "u", "password": CANARY}
    assert mlx("secret", "get", "mlflow_secret", "password", "--reveal").stdout == f"{CANARY}\n"
    mlx("secret", "delete", "mlflow_secret", "--yes")
    assert subprocess.run(keyring, capture_output=True).returncode == 1


# -- what must never be seen

WRONG = [
    ["create", "x", CANARY],
    ["create", "x", CANARY, "--a=b"],
    ["create", "x", "--password", CANARY],
    ["create", "x", f"-p{CANARY}"],
    ["create", "x", "-p", CANARY],
    ["create", "x", f"-{CANARY}=v"],
    ["create", f"--a={CANARY}"],
    ["create", f"--a={CANARY}", f"--a={CANARY}", "x"],
    ["create", "x y", f"--a={CANARY}"],
    ["create", "x", f"--a b={CANARY}"],
    ["create", "x", f"--={CANARY}"],
    ["create", "x", f"--a={CANARY}", "--b="],
    ["create", "x", f"--a={CANARY}\udcff"],
    ["create", "x", f"--a={CANARY}", "--b=@/nonexistent"],
    ["create", "x", f"--a={CANARY}", "--b=@/"],
    ["create", "taken", f"--a={CANARY}"],
    ["create", "x", f"--values={CANARY}"],
    ["create", "x", f"--values=k: [{CANARY}"],
    ["create", "x", f"--values=k: *{CANARY}"],
    ["create", "x", f'--values={{"k": "{CANARY}", "l": {{}}}}'],
    ["create", "x", f"--interactive={CANARY}"],
    ["create", "x", f"--allow-empty={CANARY}"],
    ["update", "taken", CANARY],
    ["update", "absent", f"--a={CANARY}"],
    ["update", "taken", f"--a={CANARY}", "--remove=absent"],
    ["rename", "taken", f"{CANARY}/x", "--yes"],
    ["import", "bad.yaml"],
    ["import", "worse.yaml"],
    ["get", "taken", "absent", "--reveal"],
    ["delete", "taken"],
]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "argv", WRONG, ids=lambda argv: " ".join(argv).replace(CANARY, "X").encode("ascii", "replace").decode()
)
def test_no_error_shows_a_value(mlx: Mlx, argv: list[str], debug: bool) -> None:
    SecretService().create("taken", {"k": CANARY})
    Path("bad.yaml").write_text(f"x: {{k: {CANARY}")
    Path("worse.yaml").write_text(f"x: {{k: {CANARY}, l: [1]}}\n")
    result = mlx(*(["--debug"] if debug else []), "secret", *argv)
    assert result.code != ExitCode.ok
    assert "error: " in result.stderr
    assert "unexpected" not in result.stderr
    assert CANARY not in result.stdout + result.stderr
    assert SecretService().export() == {"taken": {"k": CANARY}}


def test_no_file_holds_the_value_in_any_form(mlx: Mlx, home: Path) -> None:
    mlx("secret", "create", "db", f"--k={CANARY}")
    mlx("secret", "update", "db", f"--l={CANARY}")
    mlx("secret", "rename", "db", "db2")
    mlx("secret", "list")
    mlx("secret", "where", "db2")
    forms = [CANARY.encode(), base64.b64encode(CANARY.encode())[:20], CANARY.encode().hex().encode()]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.name == "secrets.enc" for path in files)
    for path in files:
        assert not any(form in path.read_bytes() for form in forms), path


@pytest.mark.integration
def test_a_literal_leaves_the_process_list_while_the_command_still_runs(
    mlx_process: list[str], tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    child = subprocess.Popen(
        [
            *mlx_process,
            "secret",
            "create",
            "db",
            f"--password={CANARY}",
            f"--values=k: {CANARY}",
            f"--late=@{fifo}",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    with _opened_by_reader(fifo, child) as late:  # which the command is after it hid the literals
        shown = Path(f"/proc/{child.pid}/cmdline").read_text()
        environ = Path(f"/proc/{child.pid}/environ").read_text()
        late.write("x")
    _, said = child.communicate(timeout=60)
    assert child.returncode == ExitCode.ok, said
    assert CANARY not in shown + environ
    assert f"--password={'*' * len(CANARY)}" in shown
    assert _values("db") == {"password": CANARY, "k": CANARY, "late": "x"}


def _opened_by_reader(fifo: Path, child: subprocess.Popen[str]) -> IO[str]:
    """Open a named pipe for writing as soon as the child reads it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return os.fdopen(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), "w")
        except OSError:  # nobody reads yet
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)


class Terminal:
    """A command on a terminal of its own, and somebody who answers."""

    def __init__(self, *argv: str, **environ: str) -> None:
        leader, follower = pty.openpty()
        env = {name: value for name, value in os.environ.items() if name != "MLX_NO_INPUT"}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "mlxkit", *argv],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**env, **environ},
            start_new_session=True,
        )
        os.close(follower)
        self._leader = leader
        self.shown = ""

    def answer(self, prompt: str, text: str) -> None:
        """Wait for a prompt, then type."""
        begin = len(self.shown)
        deadline = time.monotonic() + 60
        while prompt not in self.shown[begin:]:
            assert time.monotonic() < deadline
            assert self._read(), f"ended without asking {prompt!r}: {self.shown}"
        time.sleep(0.05)  # the prompt is written just before echo is off
        os.write(self._leader, text.encode() + b"\n")

    def end(self) -> int:
        """Read to the end and return the exit status."""
        while self._read():
            pass
        os.close(self._leader)
        return self._child.wait(60)

    def _read(self) -> bool:
        try:
            data = os.read(self._leader, 4096)
        except OSError:  # the other side is closed
            return False
        self.shown += data.decode()
        return bool(data)


@pytest.mark.integration
def test_a_key_alone_is_asked_for_and_not_echoed() -> None:
    terminal = Terminal("secret", "create", "db", "--password", "--user=u")
    terminal.answer("password of db: ", CANARY)
    assert terminal.end() == ExitCode.ok
    assert CANARY not in terminal.shown
    assert _values("db") == {"password": CANARY, "user": "u"}


@pytest.mark.integration
def test_interactively_keys_and_values_are_asked_for_until_an_empty_key() -> None:
    terminal = Terminal("secret", "create", "db", "-i")
    terminal.answer("key of db (empty: no more): ", "user")
    terminal.answer("user of db: ", CANARY)
    terminal.answer("key of db (empty: no more): ", "token")
    terminal.answer("token of db: ", "another-value")
    terminal.answer("key of db (empty: no more): ", "")
    assert terminal.end() == ExitCode.ok
    assert CANARY not in terminal.shown
    assert _values("db") == {"user": CANARY, "token": "another-value"}


@pytest.mark.integration
def test_on_a_terminal_delete_asks_and_no_keeps_the_secret(used: Path) -> None:
    SecretService().create("db", {"password": "value"})
    terminal = Terminal("secret", "delete", "db")
    terminal.answer("[y/N] ", "n")
    assert terminal.end() == ExitCode.failed
    assert "experiment_trackers.team.tracking_password" in terminal.shown
    assert SecretService().names() == ["db"]
    terminal = Terminal("secret", "delete", "db")
    terminal.answer("[y/N] ", "y")
    assert terminal.end() == ExitCode.ok
    assert SecretService().names() == []


@pytest.mark.integration
def test_on_a_terminal_without_a_keyring_a_new_password_is_asked_for_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLX_KEYRING_KEY_FILE")
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "auto")
    terminal = Terminal("secret", "create", "db", f"--k={CANARY}")
    terminal.answer("New master password for the secrets file: ", "master password")
    terminal.answer("The same again: ", "master password")
    assert terminal.end() == ExitCode.ok
    assert "master password\r\n" not in terminal.shown
    terminal = Terminal("secret", "get", "db", "k", "--reveal")
    terminal.answer("Master password of the secrets file: ", "wrong")
    assert terminal.end() == ExitCode.credentials
    terminal = Terminal("secret", "get", "db", "k", "--reveal")
    terminal.answer("Master password of the secrets file: ", "master password")
    assert terminal.end() == ExitCode.ok
    assert CANARY in terminal.shown


# -- speed


@pytest.mark.parametrize(
    "argv", [["secret", "list"], ["secret", "list", "-o", "json"], ["secret", "get", "db"]]
)
def test_looking_at_names_imports_neither_a_keyring_nor_cryptography(argv: list[str]) -> None:
    SecretService().create("db", {"k": "value"})
    code = f"""
import sys
from mlxkit.commands.app import main
assert main({argv!r}) == 0
heavy = ["keyring", "cryptography", "secretstorage", "jeepney", "mlflow", "rich", "ruamel", "ctypes", "pydantic"]
print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "db" in done.stdout
    assert done.stderr == "[]\n"
