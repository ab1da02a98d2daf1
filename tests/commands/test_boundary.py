"""How a command ends when the world around it is broken."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.commands import terminal
from mlxkit.commands.boundary import guarded
from mlxkit.secrets import masking


def _shell(mlx_process: list[str], line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'"$@" {line}', "sh", *mlx_process], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", ["version", "stack list", "--help", "flavor list -o yaml"])
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_an_output_that_takes_nothing_is_one_line_and_a_failure(
    mlx_process: list[str], words: str, where: str
) -> None:
    done = _shell(mlx_process, f"{words} {where}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write to standard output: ")
    assert done.stderr.count("\n") == 1


def test_a_large_output_that_is_not_taken_is_one_line_too(mlx_process: list[str]) -> None:
    entries = "".join(f"  stack-{number}: {{}}\n" for number in range(3000))
    Path("mlx.yaml").write_text(f"version: 1\ndefault_stack: stack-1\nstacks:\n{entries}")
    done = _shell(mlx_process, "stack list -o json >/dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr


def test_a_command_without_output_needs_no_output(mlx_process: list[str]) -> None:
    assert _shell(mlx_process, "stack register a >&-").returncode == 0
    assert _shell(mlx_process, "stack register b 2>&-").returncode == 0
    assert _shell(mlx_process, "stack register c <&- >&- 2>&-").returncode == 0
    assert _shell(mlx_process, "stack list -o name").stdout.split() == ["a", "b", "c", "default"]


def test_a_working_directory_that_was_deleted_is_said(mlx_process: list[str]) -> None:
    Path("gone").mkdir()
    for words in ("stack list", "init", "secret list"):
        done = subprocess.run(
            ["sh", "-c", f'cd gone; rmdir ../gone; "$@" {words}; code=$?; mkdir -p ../gone 2>&-; exit $code', "sh", *mlx_process],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        Path("gone").mkdir(exist_ok=True)
        assert done.returncode == 1
        assert "error: the working directory cannot be used: No such file" in done.stderr
        assert "unexpected" not in done.stderr


def test_a_link_to_itself_is_a_file_that_is_there(mlx: Any) -> None:
    Path("mlx.yaml").symlink_to("mlx.yaml")
    for words in (["init"], ["init", "--example"], ["stack", "list"], ["stack", "register", "a"]):
        done = mlx(*words)
        assert "unexpected" not in done.stderr
        assert done.code in (0 if "--example" in words else 1, 4)


def test_a_folder_without_permission_is_said(mlx: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    (home / "closed").mkdir(mode=0o700)
    monkeypatch.setenv("MLX_CONFIG", str(home / "closed" / "mlx.yaml"))
    os.seteuid(54321)
    try:
        listed, made = mlx("stack", "list"), mlx("init")
    finally:
        os.seteuid(0)
    assert listed.code == 4
    assert "Permission denied" in listed.stderr
    assert made.code == 1
    assert "Permission denied" in made.stderr
    assert "unexpected" not in listed.stderr + made.stderr


@pytest.mark.parametrize(
    "attribute", ["--experiment_name=a\udcffb", '--tags={"a": "\\ud800"}', '--tags={"\\ud800": "a"}']
)
def test_an_attribute_that_is_not_text_is_a_wrong_command_line(mlx: Any, attribute: str) -> None:
    done = mlx("tracker", "register", "t", "--flavor=mlflow", attribute)
    assert done.code == 2, done.stderr
    assert "is not UTF-8 text" in done.stderr


def _raising(text: str) -> Callable[[], None]:
    def call() -> None:
        raise ValueError(text)

    return call


@pytest.mark.parametrize("as_json", [True, False])
def test_an_unexpected_error_is_one_masked_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setattr(terminal, "settings", terminal.Settings(errors_as_json=as_json))
    secret = 'hunter2\n"second" line'
    masking.register(secret)
    assert guarded(_raising(f"before {secret} \x1b[31m\r\nafter\x07" + "x" * 5000)) == 1
    said = capsys.readouterr().err
    message = json.loads(said)["message"] if as_json else said.splitlines()[0]
    assert "unexpected ValueError: before *** [31m after" in message
    assert "hunter2" not in said
    assert "second" not in said
    assert all(character.isprintable() for character in message)
    assert len(message) < 600


def test_an_error_that_nobody_reads_ends_quietly(mlx_process: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*mlx_process, "deployment", "logs", "nope"], stdout=subprocess.PIPE, stderr=write, check=False
    )
    os.close(write)
    assert (done.returncode, done.stdout) == (141, b"")
