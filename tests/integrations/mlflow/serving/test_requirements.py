"""What a model needs, against what is installed, without importing it."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path

import pytest

from mlxkit.errors import MissingDependencyError, MlxError
from mlxkit.integrations.mlflow.serving.requirements import examine

HERE = ".".join(platform.python_version_tuple()[:2])
FLAVOR = "flavors:\n  python_function:\n    loader_module: x\n    python_version: {}\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "MLmodel").write_text(FLAVOR.format(platform.python_version()))
    return tmp_path


def needs(model: Path, *lines: str) -> list[str]:
    (model / "requirements.txt").write_text("\n".join(lines))
    return examine(model)


def test_what_is_there_is_fine(model: Path) -> None:
    version = metadata.version("numpy")
    assert needs(model, f"numpy=={version}", "# a comment", "", "PyYAML>=5  # another") == []


def test_all_that_is_missing_is_named_at_once(model: Path) -> None:
    with pytest.raises(MissingDependencyError) as raised:
        needs(model, "numpy", "no-such-one==1.0", "no_such_two[fast]>=2,<3", "no-such-one==1.0")
    assert raised.value.message == "the model needs no-such-one, no_such_two, which are not installed"
    assert raised.value.hint == "pip install no-such-one==1.0 'no_such_two[fast]<3,>=2'"


def test_another_version_is_a_warning(model: Path) -> None:
    (warning,) = needs(model, "numpy==0.1")
    assert warning == f"the model was made with numpy==0.1, installed is {metadata.version('numpy')}"


def test_a_marker_that_does_not_hold_is_no_need(model: Path) -> None:
    assert needs(model, 'no-such-one; sys_platform == "amiga"', "no-such-two; python_version < '3'") == []
    with pytest.raises(MissingDependencyError):
        needs(model, f'no-such-one; sys_platform == "{sys.platform}"')


def test_an_extra_needs_its_packages(model: Path) -> None:
    missing = "uvicorn[standard]"
    if all(_there(name) for name in ("httptools", "websockets", "watchfiles")):
        pytest.skip("all of the extra is installed here")
    with pytest.raises(MissingDependencyError, match=r"for uvicorn\[standard\]") as raised:
        needs(model, missing)
    assert raised.value.hint == "pip install 'uvicorn[standard]'"


def test_included_files_hashes_and_continued_lines_are_read(model: Path) -> None:
    (model / "more.txt").write_text("no-such-one==1\n-r more.txt\n")
    with pytest.raises(MissingDependencyError, match="no-such-one"):
        needs(model, "-r more.txt")
    assert needs(model, "--extra-index-url https://x.example/index", "-c nothing.txt", "-r gone.txt") == [
        "requirements.txt includes gone.txt, which is not there: not examined"
    ]
    assert needs(model, "numpy>=1 \\", "    --hash=sha256:00", "pandas>=1 --hash=sha256:00") == []


def test_what_comes_from_an_address_is_told_by_its_name(model: Path) -> None:
    with pytest.raises(MissingDependencyError) as raised:
        needs(
            model,
            "no-such-one @ https://user:pa55@x.example/a.zip",
            "git+https://token:pa55@x.example/r.git#egg=no-such-two",
            "-e git+https://x.example/r.git#egg=no-such-three",
            "https://x.example/no_such_four-1.0-py3-none-any.whl",
            "numpy @ https://x.example/numpy.zip",
        )
    assert "no-such-one, no-such-two, no-such-three, no_such_four" in raised.value.message
    assert "pa55" not in f"{raised.value.message}{raised.value.hint}"
    (warning,) = needs(model, "git+https://token:pa55@x.example/r.git")
    assert "pa55" not in warning and "x.example/r.git" in warning


def test_another_python_is_a_warning(model: Path) -> None:
    (model / "MLmodel").write_text(FLAVOR.format("3.8.1"))
    assert examine(model) == [f"the model was made with Python 3.8, this is {HERE}"]


def test_what_cannot_be_served_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(MlxError, match="not an MLflow model"):
        examine(tmp_path / "nothing")
    (model / "MLmodel").write_text("flavors:\n  spark:\n    x: 1\n")
    with pytest.raises(MlxError, match="no python_function flavor"):
        examine(model)


def test_nothing_is_imported(model: Path) -> None:
    import subprocess

    program = (
        "import sys; from pathlib import Path; from mlxkit.integrations.mlflow.serving.requirements import examine; "
        "examine(Path(sys.argv[1])); print({'numpy', 'mlflow', 'sklearn'} & set(sys.modules))"
    )
    (model / "requirements.txt").write_text("numpy\nscikit-learn\nmlflow")
    done = subprocess.run([sys.executable, "-c", program, str(model)], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def _there(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
