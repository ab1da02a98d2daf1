"""What is deleted can be looked at first: `--dry-run` says the same and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIG = """\
version: 1
default_stack: team
experiment_trackers:
  server: {flavor: mlflow}
stacks:
  team: {experiment_tracker: server}
  spare: {}
"""


@pytest.fixture(autouse=True)
def _project(home: Path) -> None:
    Path("mlx.yaml").write_text(CONFIG)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("stack", "delete", "spare"), "would delete stack 'spare'"),
        (
            ("tracker", "delete", "server", "--force"),
            "would delete experiment tracker 'server', also from team",
        ),
    ],
)
def test_nothing_is_deleted(mlx, argv: tuple[str, ...], said: str) -> None:
    done = mlx(*argv, "--dry-run")
    assert (done.code, done.stdout, done.stderr.strip()) == (0, "", said)
    assert Path("mlx.yaml").read_text() == CONFIG
    assert mlx(*argv, "--yes").code == 0
    assert Path("mlx.yaml").read_text() != CONFIG


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("stack", "delete", "team"), 1),  # the default
        (("stack", "delete", "taem"), 3),
        (("tracker", "delete", "server"), 1),  # in use
        (("tracker", "delete", "sever"), 3),
        (("secret", "delete", "nothing"), 3),
        (("deployment", "delete", "nothing"), 3),
    ],
)
def test_what_could_not_be_deleted_is_refused_also_then(mlx, argv: tuple[str, ...], code: int) -> None:
    dry, real = mlx(*argv, "--dry-run"), mlx(*argv, "--yes")
    assert (dry.code, dry.stderr) == (real.code, real.stderr)
    assert real.code == code


def test_a_secret_and_its_users_are_named(mlx, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "password").write_text("correct horse battery staple\n")
    (home / "password").chmod(0o600)
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(home / "password"))
    assert mlx("secret", "create", "s", "--token=abc").code == 0
    assert mlx("tracker", "register", "team", "--flavor=mlflow", "--tracking_uri=https://m.invalid", "--tracking_token=<<s.token>>").code == 0  # fmt: skip
    done = mlx("secret", "delete", "s", "--dry-run")
    assert "experiment_trackers.team.tracking_token" in done.stderr
    assert mlx("secret", "list", "-o", "name").stdout == "s\n"
