"""Finding the class of a stored value again, in the script, in a module of its name, or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlxkit.artifacts import classes, plain
from mlxkit.artifacts.errors import ArtifactUnreadableError

_SCRIPT = """
import sys
from dataclasses import dataclass
from mlxkit.artifacts import plain
@dataclass
class Config:
    lr: float
print("executed as", __name__)
if __name__ == "__main__":
    if len(sys.argv) > 1:
        value = plain.loads(sys.argv[1])
        print(isinstance(value, Config), value.lr)
    else:
        print(plain.dumps(Config(0.5)))
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "train.py"
    path.write_text(_SCRIPT)
    yield path
    sys.modules.pop("train", None)


def run(path: Path, *arguments: str) -> list[str]:
    command = [sys.executable, str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_script_that_runs_again_has_the_class(script: Path) -> None:
    stored = run(script)[-1]
    assert run(script, stored) == ["executed as __main__", "True 0.5"]


def test_the_script_imported_as_a_module_has_the_class(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = run(script)[-1]
    monkeypatch.syspath_prepend(str(script.parent))
    import train  # type: ignore[import-not-found]

    assert type(plain.loads(stored)) is train.Config
    assert run(script, plain.dumps(train.Config(0.25))) == ["executed as __main__", "True 0.25"]


def test_a_script_is_not_executed_to_find_a_class(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = run(script)[-1]
    monkeypatch.syspath_prepend(str(script.parent))
    with pytest.raises(ArtifactUnreadableError, match="'Config' of script 'train'"):
        plain.loads(stored)
    assert capsys.readouterr().out == "" and "train" not in sys.modules


@dataclass
class Config:
    """Stands for the same class in another program."""

    lr: float


def test_a_declared_class_stands_for_the_one_of_the_script(script: Path) -> None:
    stored = run(script)[-1]
    assert json.loads(stored)["c"] == "__main__/train:Config"
    value = plain.loads(stored, known=classes.classes_in(list[Config] | None))
    assert type(value) is Config and value.lr == 0.5


def test_annotations_name_their_classes() -> None:
    assert classes.classes_in(dict[str, list[Config]] | None) == {"Config": Config}
    assert classes.classes_in(int) == classes.classes_in(None) == classes.classes_in("text") == {}


def test_a_name_for_people_leads_back_to_the_class_where_it_can() -> None:
    assert classes.find_by_type_name(classes.type_name(Config)) is Config
    assert classes.find_by_type_name("int") is int
    assert classes.find_by_type_name("json.decoder.JSONDecoder") is json.JSONDecoder
    assert classes.find_by_type_name("nowhere.Thing") is object
