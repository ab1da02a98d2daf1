"""The environment of a run."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from mlxkit.runs.environment import capture_environment, version_of_module


def distribution(folder: Path, name: str, files: str = "", top_level: str | None = None) -> None:
    metadata = folder / name
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\n")
    if files:
        (metadata / "RECORD").write_text(files)
    if top_level is not None:
        (metadata / "top_level.txt").write_text(top_level)


def test_every_installed_distribution_is_there_with_its_version() -> None:
    expected = {
        item.metadata["Name"].lower().replace("_", "-").replace(".", "-"): item.version
        for item in reversed(list(importlib.metadata.distributions()))
    }
    found = capture_environment()["distributions"]
    assert found.items() >= expected.items()
    assert list(found) == sorted(found)


def test_python_and_the_platform_are_there() -> None:
    found = capture_environment()
    assert found["python"] == platform.python_version()
    assert found["implementation"] == "cpython"
    assert found["machine"] == platform.machine() and platform.release() in found["platform"]
    assert json.loads(json.dumps(found)) == found


def test_the_first_folder_of_the_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path / "b", "some_thing-2.0.dist-info")
    distribution(tmp_path / "a", "Some.Thing-1.0.dist-info")
    distribution(tmp_path / "b", "legacy-3.1-py3.11.egg-info")
    (tmp_path / "b" / "nonsense.dist-info").mkdir()
    monkeypatch.setattr(
        sys,
        "path",
        [str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "missing"), str(tmp_path / "some.zip")],
    )
    assert capture_environment()["distributions"] == {"some-thing": "1.0", "legacy": "3.1"}


def test_the_caller_may_change_what_it_gets() -> None:
    capture_environment()["distributions"].clear()
    assert capture_environment()["distributions"]


def test_a_module_finds_its_distribution_by_name_by_top_level_or_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "same_name-1.0.dist-info")
    distribution(tmp_path, "by_top_level-2.0.dist-info", top_level="other\nlisted\n")
    distribution(
        tmp_path,
        "by_record-3.0.dist-info",
        files="by_record/x.py,,\nrecorded/__init__.py,sha256=x,1\nsingle.py,,\n",
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    found = {
        name: version_of_module(name)
        for name in ("same_name", "listed", "recorded", "single", "record", "nowhere")
    }
    assert found == {
        "same_name": "1.0",
        "listed": "2.0",
        "recorded": "3.0",
        "single": "3.0",
        "record": None,
        "nowhere": None,
    }


@pytest.mark.parametrize(
    ("module", "distribution_name"),
    [("sklearn", "scikit-learn"), ("yaml", "PyYAML"), ("numpy", "numpy"), ("dateutil", "python-dateutil")],
)
def test_real_modules_find_their_distribution(module: str, distribution_name: str) -> None:
    assert version_of_module(module) == importlib.metadata.version(distribution_name)


def test_nothing_heavy_is_imported_for_it() -> None:
    code = "import sys; from mlxkit.runs.environment import capture_environment; capture_environment(); print(sorted({'importlib.metadata', 'platform', 'subprocess', 'email'} & set(sys.modules)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
