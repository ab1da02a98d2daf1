"""What a cheap command must not import, by name: names do not flake, milliseconds do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "mlflow", "pandas", "numpy", "pyarrow", "sklearn", "keyring", "secretstorage", "cryptography", "pydantic", "rich",
    "sqlalchemy", "requests", "fsspec", "cloudpickle", "importlib.metadata", "platformdirs", "asyncio",
    "urllib.request", "http.client", "multiprocessing",
)  # fmt: skip

PROBE = """
import sys
from mlxkit.__main__ import main
sys.argv = ["mlx", *sys.argv[1:]]
code = main()
sys.stderr.write("LOADED " + " ".join(sorted(sys.modules)) + "\\n")
sys.exit(code)
"""

CHEAP = [
    ["--version"],
    ["version"],
    ["--help"],
    ["stack", "list"],
    ["stack", "list", "-o", "json"],
    ["tracker", "list"],
    ["secret", "list"],
    ["runs", "list"],
    ["status"],
    ["pipeline", "list"],
    ["artifact", "list"],
    ["flavor", "describe", "mlflow"],
    ["help"],
    ["completion", "bash"],
]


def loaded_by(argv: list[str]) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROBE, *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("LOADED ")[2].split())


def heavy_in(modules: set[str]) -> list[str]:
    return [name for name in HEAVY if name in modules]


@pytest.mark.parametrize("argv", CHEAP, ids=" ".join)
def test_a_cheap_command_imports_nothing_heavy(argv: list[str]) -> None:
    assert heavy_in(loaded_by(argv)) == []


def test_a_run_of_plain_steps_imports_no_library_of_the_field() -> None:
    Path("p.py").write_text(
        "from mlxkit import pipeline, step\n"
        "@step\ndef one() -> int:\n    return 1\n"
        "@step\ndef two(x: int) -> int:\n    return x + 1\n"
        "@pipeline\ndef p() -> None:\n    two(one())\n"
    )
    loaded = loaded_by(["run", "p.py"])
    assert [name for name in heavy_in(loaded) if name not in ("importlib.metadata",)] == []


def test_the_guard_sees_a_planted_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import pydantic\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert heavy_in(loaded_by(["version"])) == ["pydantic"]
