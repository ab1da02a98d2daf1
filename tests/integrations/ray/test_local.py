"""A cluster that is started for a run: private, asked for a token, and gone with the run, however it ends."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.config.scratch import scratch_parent, sweep
from mlxkit.errors import ConfigError, CredentialsError, ExitCode, UnreachableError
from mlxkit.integrations.ray.engine import engine
from mlxkit.integrations.ray.probe import check_answers, is_alive, takes_anybody
from mlxkit.integrations.ray.settings import RaySettings
from mlxkit.secrets.value import SecretValue

FLOW = """
import time
from pathlib import Path
import ray  # before the run is: it has read then whether clusters ask for a token
from mlxkit import pipeline, step

@step
def where() -> int:
    Path("address").write_text(ray.get_runtime_context().gcs_address)
    print("running")
    while not Path("go").exists():
        time.sleep(0.1)
    return 1

@pipeline
def flow() -> None:
    where()
"""
PATIENCE = 180.0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    pytest.importorskip("ray", reason="ray is not installed")
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "mlx.yaml").write_text(
        "version: 1\ndefault_stack: mine\norchestrators: {mine: {flavor: ray, cpus: 1}}\n"
        "stacks: {mine: {orchestrator: mine}}\n"
    )
    return tmp_path


def test_it_is_private_while_it_runs_and_gone_when_its_run_was_killed(project: Path) -> None:
    run = begin(project)
    until(lambda: (project / "address").exists() and (project / "address").read_text() != "", run)
    address = (project / "address").read_text()
    assert address.startswith("127.0.0.1:")
    (folder,) = scratch_parent().glob(f"mlx-ray-{run.pid}-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    stranger = RaySettings("stranger", address)
    wrong = RaySettings("wrong", address, auth_token=SecretValue("0" * 64))
    with engine(stranger):
        assert not takes_anybody(stranger, address) and is_alive(address, 5.0)
        with pytest.raises(CredentialsError, match="wants a token"):
            check_answers(stranger, address)
    with engine(wrong), pytest.raises(CredentialsError, match="refuses this token"):
        check_answers(wrong, address)
    inner = RaySettings("client", f"ray://{address}")
    with engine(inner), pytest.raises((ConfigError, CredentialsError)):
        check_answers(inner, address)

    run.kill()
    run.wait(PATIENCE)
    until(lambda: not processes_with(str(folder)))
    with engine(stranger), pytest.raises(UnreachableError, match="does not answer"):
        check_answers(stranger, address)
    sweep("ray")
    assert not folder.exists()


def test_ctrl_c_at_a_terminal_and_an_end_in_order_leave_nothing(project: Path) -> None:
    for is_interrupted in (True, False):
        (project / "address").unlink(missing_ok=True)
        run = begin(project)
        until(lambda: (project / "address").exists(), run)
        if is_interrupted:
            os.killpg(run.pid, signal.SIGINT)  # as a terminal does: everything in its foreground gets it
        else:
            (project / "go").touch()
        run.wait(PATIENCE)
        assert run.returncode == (ExitCode.interrupted if is_interrupted else ExitCode.ok), said(project)
        assert not list(scratch_parent().glob(f"mlx-ray-{run.pid}-*"))
        gone = f"mlx-ray-{run.pid}-"
        until(lambda gone=gone: not processes_with(gone))  # type: ignore[misc]
    lines = said(project).splitlines()
    assert [line for line in lines if line.startswith("[where]")] == ["[where] running"]
    assert not [line for line in lines if "ray" in line.lower() or "raylet" in line]


def begin(project: Path) -> subprocess.Popen[bytes]:
    with (project / "said").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "mlxkit", "run", "flow.py", "--no-cache"],
            cwd=project, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def said(project: Path) -> str:
    return (project / "said").read_text()


def processes_with(text: str) -> list[str]:
    """Return the processes whose command line holds a text; Ray's have their folder in it."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and text.encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


def until(is_so: Callable[[], bool], run: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        assert run is None or run.poll() is None, "the run has ended"
        time.sleep(0.05)
