"""The command line of a job, which everybody on the cluster can read."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from mlxkit.errors import UsageError
from mlxkit.pipelines.detached.words import Words, refuse_secrets
from mlxkit.pipelines.loader import Target
from mlxkit.pipelines.parameters import Text
from mlxkit.secrets.masking import register


@pytest.fixture
def root() -> Path:
    folder = Path.cwd().resolve()
    (folder / "sub dir").mkdir()
    (folder / "sub dir" / "p.py").write_text("")
    return folder


def test_the_words_of_the_user_arrive_as_they_were(root: Path) -> None:
    words = Words(
        Target(Path("sub dir/p.py"), "train"), tracker="t", name="it's; rm -rf $HOME", tags=["a=b c"], use_cache=False,
        workers="2", parameters=["x=`id`"], extra=["--lr", "1e-3"], passed=["--", "$(id)"],
    )  # fmt: skip
    argv = shlex.split(words.line(root, "cluster", "r1", Path("/home/me/a b/.mlx")))
    assert argv == [
        "MLX_JOB=r1", "MLX_STATE=/home/me/a b/.mlx", "python", "-m", "mlxkit", "run", "sub dir/p.py:train",
        "--stack", "cluster", "--tracker", "t", "--name", "it's; rm -rf $HOME", "--workers", "2", "--tag", "a=b c",
        "-p", "x=`id`", "--no-cache", "--no-progress", "--lr", "1e-3", "--", "--", "$(id)",
    ]  # fmt: skip


def test_a_job_starts_in_the_folder_that_the_user_stood_in(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "run.yaml").write_text("")
    monkeypatch.chdir(root / "sub dir")
    words = Words(Target(Path("p.py"), None), config=Path("../run.yaml"))
    line = words.line(root, "s", "r1", None)
    assert line.startswith(
        "cd 'sub dir' && MLX_JOB=r1 python -m mlxkit run p.py --stack s --config ../run.yaml"
    )


def test_a_file_that_does_not_travel_is_refused(root: Path, home: Path) -> None:
    (home / "p.py").write_text("")
    with pytest.raises(UsageError, match="is not below"):
        Words(Target(home / "p.py", None)).line(root, "s", "r1", None)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_passwd",
        "api_key",
        "aws_secret",
        "token",
        "hub_token",
        "apiToken",
        "authtoken",
        "api-key",
        "private_key",
        "dbPassword",
    ],
)
def test_a_parameter_that_sounds_secret_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        refuse_secrets("run", {name: Text("hf_12345678")})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pad_token", "<pad>"),
        ("eos_token", "<|endoftext|>"),
        ("max_tokens", "100000000"),
        ("key", "k"),
        ("n_passes", "3"),
        ("tokenizer", "bert-base-uncased"),
        ("data", "s3://bucket/a@b?version=3"),
        ("host", "http://ml:5000/x"),
        ("password", "<<db.password>>"),
    ],
)
def test_a_parameter_that_only_resembles_one_travels(name: str, value: str) -> None:
    refuse_secrets("run", {name: Text(value)})


def test_a_known_secret_is_refused_wherever_it_stands_and_not_repeated() -> None:
    register("quiet-9f3e")
    with pytest.raises(UsageError) as refused:
        refuse_secrets("python -m mlxkit run p.py -p note=quiet-9f3e", {})
    assert "quiet-9f3e" not in refused.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [("db", "postgresql://u:hunter2@h/d"), ("repository", "https://hunter2@github.com/x"),
     ("opts", "{db: {password: hunter2}}"), ("dsn", "Server=h;Password=hunter2"), ("url", "https://h/x?sig=hunter2")],
)  # fmt: skip
def test_a_secret_inside_of_a_value_is_refused_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(UsageError) as refused:
        refuse_secrets("run", {name: Text(value)})
    assert "looks like a secret" in refused.value.message
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [["--password", "hunter2"], ["--password=hunter2"], ["--", "--db-password", "-hunter2"], ["password=hunter2"],
     ["token=hunter2hunter2"], ["x", "postgresql://u:hunter2@h/d"], ["--dsn", "pwd=hunter2"]],
)  # fmt: skip
def test_a_secret_among_the_other_words_is_refused_and_not_repeated(words: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        refuse_secrets("run", {}, words)
    assert "looks like a secret" in refused.value.message
    assert "hunter2" not in str(refused.value)


def test_words_that_are_no_secret_travel() -> None:
    refuse_secrets(
        "run", {}, ["--epochs", "3", "stage=test", "--password", "--", "--verbose", "a == b", "kind=nightly"]
    )


@pytest.mark.parametrize(
    "text",
    ["parameters: {password: hunter2}", "parameters: {db: 'postgresql://u:hunter2@h/d'}",
     "steps: {load: {parameters: {hosts: [{api_key: hunter2}]}}}", "parameters: {pin: 1, password: 123456}"],
)  # fmt: skip
def test_a_secret_in_run_yaml_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError, match=r"run\.yaml") as refused:
        refuse_secrets("run", {}, (), text)
    assert "hunter2" not in str(refused.value)
    assert "123456" not in str(refused.value)


def test_a_run_yaml_without_secrets_travels() -> None:
    refuse_secrets(
        "run", {}, (), "parameters: {n: 3, max_tokens: 100000000, flag: true, none: null}\nsteps: {load: }"
    )
