"""What has no format of its own."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mlxkit.artifacts.errors import ArtifactUnreadableError
from mlxkit.artifacts.io import load, save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore


def test_a_fitted_model_is_pickled_and_said_so(again: Any) -> None:
    model = LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
    record, loaded = again(model)
    assert record.materializer == "cloudpickle" and record.summary == {"pickled": True}
    np.testing.assert_array_equal(loaded.coef_, model.coef_)


def test_functions_and_odd_containers_are_pickled(again: Any) -> None:
    assert again(lambda x: x + 1)[1](1) == 2
    assert again(OrderedDict(b=1, a=2))[1] == OrderedDict(b=1, a=2)
    loaded = again(defaultdict(list, a=[1]))[1]
    assert loaded["new"] == []


def test_a_value_that_contains_itself_still_does(again: Any) -> None:
    value: list[Any] = [1]
    value.append(value)
    loaded = again(value)[1]
    assert loaded[1] is loaded


def test_objects_in_a_container_stay_shared(again: Any) -> None:
    shared = object.__new__(LogisticRegression)
    loaded = again({"a": shared, "b": [shared]})[1]
    assert loaded["a"] is loaded["b"][0]


def test_a_pickle_whose_class_is_gone_says_so(
    store: LocalArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleeting.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import fleeting  # type: ignore[import-not-found]

    record = save(fleeting.Thing(), store=store)
    monkeypatch.delitem(sys.modules, "fleeting")
    (tmp_path / "fleeting.py").unlink()
    sys.path_importer_cache.clear()
    with pytest.raises(ArtifactUnreadableError, match="fleeting"):
        load(record, store)


_SCRIPT = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from mlxkit.artifacts.io import load, save
from mlxkit.artifacts.records import ArtifactRecord
from mlxkit.integrations.local.artifact_store import LocalArtifactStore

class Model:
    def __init__(self, x): self.x = x
    def predict(self): return self.x * {factor}

store = LocalArtifactStore(SimpleNamespace(name="store", attributes={{}}), Path(sys.argv[1]))
note = Path(sys.argv[1], "record.json")
if note.exists():
    value = load(ArtifactRecord(**json.loads(note.read_text())), store)
    print(isinstance(value, Model), value.predict())
else:
    record = save(Model(2), store=store).to_dict()
    del record["schema_version"]
    note.write_text(json.dumps(record))
"""


def test_the_script_that_runs_again_gets_its_own_class_back(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    for factor in (10, 100):  # the class has changed by the second run, and its instances follow
        script.write_text(_SCRIPT.format(factor=factor))
        done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True 200"


def test_another_program_gets_a_copy_of_the_class(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(_SCRIPT.format(factor=10))
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    reader = (
        _SCRIPT.partition("class Model")[0]
        + "store"
        + _SCRIPT.partition("\nstore")[2].partition("    print")[0]
        + "    print(value.predict())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", reader.format(), str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout.strip() == "20", done.stderr
