"""What is known of a server: the system is believed before a file, and a damaged file breaks nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlxkit.errors import MlxError
from mlxkit.integrations.mlflow.serving import deployer as deploying
from mlxkit.integrations.mlflow.serving.deployer import MlflowDeployer
from mlxkit.integrations.mlflow.serving.state import (
    Status,
    UnreadableError,
    Wanted,
    holder,
    read_status,
    read_wanted,
    write_status,
    write_wanted,
)

HOLD = """
import sys
from pathlib import Path
from mlxkit.integrations.mlflow.serving.state import hold
lock = hold(Path(sys.argv[1]))
print("held", flush=True)
input()
"""
STATUS = Status(1, "boot", "127.0.0.1", 5000, "ok", "running", 1.0)
WANTED = Wanted("1", "d", "ok", "/m", "127.0.0.1", 0, 1, 1000, 60.0)


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the lock of a server."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("content", ["", "1\n", "rubbish"])
def test_the_system_says_who_holds_the_lock_whatever_the_file_holds(tmp_path: Path, content: str) -> None:
    with held(tmp_path) as process:
        (tmp_path / "server.lock").write_text(content)
        assert holder(tmp_path) == process.pid
        assert holder(tmp_path) == process.pid  # looking took nothing away
        MlflowDeployer(None, tmp_path).stop(tmp_path)
        assert process.wait(60) == -15
    assert holder(tmp_path) is None


def test_a_process_that_cannot_be_named_is_never_signalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(deploying, "holder", lambda _: 0)
    monkeypatch.setattr(deploying, "_LEAVES_WITHIN", 0.05)
    monkeypatch.setattr(deploying, "_KILLED_WITHIN", 0.05)
    monkeypatch.setattr(os, "kill", lambda *args: sent.append(args))
    with pytest.raises(MlxError, match="its process cannot be seen from here"):
        MlflowDeployer(None, tmp_path).stop(tmp_path)
    assert sent == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"pid": 1}', json.dumps({**STATUS.__dict__, "port": "x"}), "\udcff"]
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UnreadableError, match=r"server\.json cannot be read"):
        read_status(tmp_path)
    now = MlflowDeployer(None, tmp_path).serving(tmp_path)
    assert (now.state, now.pid) == ("failed", None)
    assert "server.json cannot be read" in now.reason
    (tmp_path / "server.json").unlink()
    (tmp_path / "server.wanted.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UnreadableError, match=r"server\.wanted\.json cannot be read"):
        read_wanted(tmp_path)
    with held(tmp_path) as process:
        now = MlflowDeployer(None, tmp_path).serving(tmp_path)
        assert (now.state, now.pid) == ("failed", process.pid)
        assert "server.wanted.json cannot be read" in now.reason


def test_what_another_version_writes_is_read(tmp_path: Path) -> None:
    write_status(tmp_path, STATUS)
    write_wanted(tmp_path, WANTED)
    for name in ("server.json", "server.wanted.json"):
        content = json.loads((tmp_path / name).read_text())
        for key in ("serves", "has_token", "leaves_within"):
            content.pop(key, None)
        (tmp_path / name).write_text(json.dumps({**content, "of_a_newer_version": [1]}))
    assert (read_status(tmp_path), read_wanted(tmp_path)) == (STATUS, WANTED)
