"""Which of ZenML's imports are served, by whom, and what is said of the others."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit.compat.modules import ServedModule
from mlxkit.compat.table import ALIASES, REASONS
from mlxkit.pipelines.guests import GuestFinder, serve_guests

ROWS = [(module, name) for module, names in ALIASES.items() for name in names]


@pytest.mark.parametrize(("module", "name"), ROWS, ids=[f"{module}.{name}" for module, name in ROWS])
def test_every_alias_is_something_to_use(served: None, module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    assert found is not None
    assert not isinstance(found, ServedModule)
    target = ALIASES[module][name]
    if target.startswith("."):
        home, _, own = target.partition(":")
        assert found is getattr(importlib.import_module(home, "mlxkit"), own)


@pytest.mark.parametrize("module", list(ALIASES))
def test_every_module_lies_in_one_that_is_served(served: None, module: str) -> None:
    assert module == "zenml" or module.rpartition(".")[0] in ALIASES
    assert isinstance(importlib.import_module(module), ServedModule)


def test_no_reason_is_given_for_something_that_is_served() -> None:
    served = {f"{module}.{name}" for module, name in ROWS}
    assert not [name for name in REASONS if name in served]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("import zenml.post_execution", "zenml.post_execution is not supported by mlx: Client()"),
        ("from zenml.post_execution import get_pipeline", "zenml.post_execution is not supported by mlx"),
        ("from zenml import foo", "zenml.foo is not supported by mlx"),
        ("from zenml import pipelin", "did you mean 'pipeline'?"),
        (
            "from zenml.client import Clint",
            "zenml.client.Clint is not supported by mlx (did you mean 'Client'?)",
        ),
        ("from zenml.config import Schedule", "let cron or CI call `mlx run`"),
        ("from zenml.config.schedule import Schedule", "let cron or CI call `mlx run`"),
        (
            "from zenml.integrations.evidently.steps import evidently_report_step",
            "of ZenML's integrations MLflow",
        ),
        (
            "from zenml.integrations.mlflow.steps import nothing",
            "zenml.integrations.mlflow.steps.nothing is not",
        ),
        ("from zenml import unmapped", "call the step in a loop"),
        ("from zenml.hooks import alerter_failure_hook", "there are no alerters"),
    ],
)
def test_what_is_not_served_is_an_import_error_that_names_it(served: None, statement: str, said: str) -> None:
    with pytest.raises(ImportError) as caught:
        exec(statement, {})
    assert said in str(caught.value)


def test_an_attribute_that_is_not_served_is_named_and_can_be_asked_about(served: None) -> None:
    import zenml  # type: ignore[import-not-found]

    with pytest.raises(AttributeError, match=r"zenml\.foo is not supported by mlx"):
        _ = zenml.foo
    assert not hasattr(zenml, "foo")
    assert getattr(zenml, "foo", 3) == 3
    assert "pipeline" in dir(zenml)


def test_a_submodule_is_there_when_only_its_parent_was_imported(served: None) -> None:
    import zenml

    from mlxkit.compat.client import Client

    assert zenml.client.Client is Client


def test_a_star_import_gives_what_is_served(served: None) -> None:
    names: dict[str, Any] = {}
    exec("from zenml.enums import *", names)
    assert names["ModelStages"].PRODUCTION == "production"


def test_nothing_is_served_unless_a_file_is_run() -> None:
    code = "import mlxkit, mlxkit.client, mlxkit.pipelines.loader\ntry:\n import zenml\nexcept ImportError as e:\n print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "No module named 'zenml'"


def test_a_run_that_imports_no_zenml_loads_nothing_of_it(mlx: Any) -> None:
    assert mlx("init").code == 0
    Path("plain.py").write_text(
        "import sys\nfrom mlxkit import pipeline, step\n@step\ndef a() -> int:\n    return 1\n"
        "@pipeline\ndef p():\n    a()\np()\n"
        "print([name for name in sys.modules if 'compat' in name and 'mlxkit' in name])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "run", "plain.py"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def real_zenml(folder: Path) -> None:
    """Make a package called zenml that says who it is."""
    package = folder / "zenml"
    package.mkdir()
    (package / "__init__.py").write_text("WHO = 'the package itself'\n")


def test_an_installed_zenml_wins_and_nothing_is_said(mlx: Any, tmp_path: Path, monkeypatch: Any) -> None:
    assert mlx("init").code == 0
    real_zenml(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    Path("who.py").write_text(
        "import zenml\nprint(zenml.WHO)\n"
        "try:\n    import zenml.client\nexcept ImportError as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "run", "who.py"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "the package itself",
        "ModuleNotFoundError No module named 'zenml.client'",
    ]
    assert "mlx" not in done.stderr.replace("mlx runs", "")


def test_the_finder_stands_last_and_once() -> None:
    serve_guests()
    serve_guests()
    assert sys.meta_path[-1] is GuestFinder
    assert sys.meta_path.count(GuestFinder) == 1  # type: ignore[arg-type]


def test_plain_python_has_no_zenml_and_says_so_itself() -> None:
    Path("run.py").write_text("from zenml import pipeline\n")
    done = subprocess.run([sys.executable, "run.py"], capture_output=True, text=True, check=False)
    assert "No module named 'zenml'" in done.stderr


def test_an_unsupported_import_ends_a_run_in_words(mlx: Any) -> None:
    Path("run.py").write_text("from zenml.post_execution import get_pipeline\n")
    result = mlx("run", "run.py")
    assert result.code == 2
    assert result.stderr.startswith("error: zenml.post_execution is not supported by mlx")
    assert "Traceback" not in result.stderr
