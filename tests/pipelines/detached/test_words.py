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


@pytest.mark.parametrize("name", ["password", "db_passwd", "api_key", "aws_secret", "token", "hub_token"])
def test_a_parameter_that_sounds_secret_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        refuse_secrets("run", {name: Text("hf_12345678")})


@pytest.mark.parametrize(
    ("name", "value"), [("pad_token", "<pad>"), ("max_tokens", "100000000"), ("key", "k")]
)
def test_a_parameter_that_only_resembles_one_travels(name: str, value: str) -> None:
    refuse_secrets("run", {name: Text(value)})


def test_a_known_secret_is_refused_wherever_it_stands_and_not_repeated() -> None:
    register("quiet-9f3e")
    with pytest.raises(UsageError) as refused:
        refuse_secrets("python -m mlxkit run p.py -p note=quiet-9f3e", {})
    assert "quiet-9f3e" not in refused.value.message
