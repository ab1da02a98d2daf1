"""Every test lives in a throw-away home, without the caller's environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.checkouts",
    "tests.fixtures.secret_service",
    "tests.fixtures.mlflow_client",
    "tests.fixtures.mlflow_server",
    "tests.fixtures.ray_cluster",
    "tests.fixtures.openbao",
    "tests.fixtures.read_only",
    "tests.fixtures.s3_server",
    "tests.fixtures.shelf",
]

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # also for what is imported before the first test

_DROPPED = ("MLX_", "MLFLOW_", "DATABRICKS_", "XDG_", "PYTHON_KEYRING", "DBUS_SESSION", "GITHUB_")
_DROPPED += ("VAULT_", "BAO_", "AWS_")
_DROPPED_NAMES = ("CI", "FORCE_COLOR", "DISPLAY", "WAYLAND_DISPLAY", "PYTHONPATH")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test its own HOME and working directory and a scrubbed environment."""
    base = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(_DROPPED) or name in _DROPPED_NAMES:
            monkeypatch.delenv(name)
    work = base / "work"
    work.mkdir()
    monkeypatch.setenv("HOME", str(base))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("MLX_NO_INPUT", "1")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setattr(
        "mlxkit.secrets.masking._known", {}
    )  # one test's secrets are another one's ordinary words
    monkeypatch.chdir(work)
    yield base


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def mlx(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command line in this process: `mlx("stack", "list", "-o", "json")`."""

    def run(*argv: str) -> Result:
        from mlxkit.commands import terminal
        from mlxkit.commands.app import main

        capsys.readouterr()
        terminal.settings = terminal.Settings()
        code = main(list(argv))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def mlx_process() -> list[str]:
    """The command line as a real process: arguments to start it with."""
    return [sys.executable, "-m", "mlxkit"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where CI promises that every program is there, a skip for a missing one is a failure."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and os.environ.get("MLX_TESTS_NO_SKIP") and "not installed" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"


_TOGETHER = ("integrations/mlflow/serving/", "models/")  # folders whose files share what is dear to make
# What takes longest, longest first: no worker is to be alone with one of them at the end.
_LONGEST = (
    "integrations/mlflow/serving/", "ray", "models/", "test_tracking.py", "screens/test_screens.py",
    "pipelines/fingerprint/test_served.py", "integrations/mlflow/test_process.py", "compat/test_projects.py",
    "seeds/test_seeds.py", "test_readme.py", "commands/test_deployment.py", "test_workflow.py", "seeds/test_models.py",
    "integrations/mlflow/registry/test_registry.py", "deployments/test_updating.py",
    "integrations/mlflow/server/test_local.py", "pipelines/test_shared_cache.py",
    "integrations/mlflow/test_parallel.py", "runs/test_rerun.py", "integrations/mlflow/server/test_ports.py",
    "commands/test_exec_tracking.py", "deployments/test_service.py",
)  # fmt: skip


def _scope(nodeid: str) -> str:
    """Return what runs on one worker: the tests of a file, of some folders, or all that need a cluster."""
    path, _, test = nodeid.partition("::")
    path = path.removeprefix("tests/")
    if path.startswith("integrations/ray/") or "[ray" in test or "-ray" in test:
        return "ray"
    return next((folder for folder in _TOGETHER if path.startswith(folder)), path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have several workers begin with what takes longest; without them files keep their order."""
    if hasattr(config, "workerinput"):
        places = {scope: place for place, scope in enumerate(_LONGEST)}
        items.sort(key=lambda item: places.get(_scope(item.nodeid), len(_LONGEST)))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the cluster when its tests are over: one worker has all of them, one after the other."""
    is_last = nextitem is not None and _scope(nextitem.nodeid) != "ray"
    if hasattr(item.config, "workerinput") and _scope(item.nodeid) == "ray" and is_last:
        from tests.fixtures.ray_cluster import stop_cluster

        stop_cluster()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the tests of a file to one worker, which makes their servers once; all that need a cluster share one."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    config.option.loadscopereorder = False
    return ByFile(config, log)
