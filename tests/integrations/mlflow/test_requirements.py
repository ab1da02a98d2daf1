"""MLflow's list of a model's requirements: asked for once for models of one make, and never guessed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.integrations.mlflow.log_model import flavor_of
from mlxkit.integrations.mlflow.requirements import Requirements

pytestmark = pytest.mark.integration


class Asked:
    """Stands where MLflow starts its process, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, model_uri: Any, flavor: Any, **kwargs: Any) -> list[str]:
        self.times += 1
        return ["sklearn", f"answer{self.times}"]


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Save a scikit-learn model as MLflow does, and return the file of the object."""
    import mlflow

    def saved(model: Any, **options: Any) -> Path:
        folder = tmp_path / f"model{len(list(tmp_path.iterdir()))}"
        mlflow.sklearn.save_model(model, folder, pip_requirements=[], **options)
        return next(folder.glob("model.*"))

    return saved


def fitted(*, slope: float = 1.0) -> Any:
    from sklearn.linear_model import Ridge

    return Ridge().fit([[0.0], [1.0]], [0.0, slope])


@pytest.mark.parametrize("form", ["skops", "cloudpickle", "pickle"])
def test_a_model_of_the_same_make_is_not_asked_about_again(
    save: Callable[..., Path], asked: Asked, tmp_path: Path, form: str
) -> None:
    files = [save(fitted(slope=slope), serialization_format=form) for slope in (1.0, 2.0)]
    for file in files:
        found = Requirements(tmp_path / "state").imported_modules(asked, file, "sklearn")
        assert found == ["sklearn", "answer1"]
    assert asked.times == 1


def test_other_classes_and_other_versions_are_another_make(
    save: Callable[..., Path], asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas
    from sklearn.preprocessing import FunctionTransformer

    memory = Requirements(tmp_path / "state")
    plain = save(fitted(), serialization_format="cloudpickle")
    other = save(FunctionTransformer(pandas.isna), serialization_format="cloudpickle")
    memory.imported_modules(asked, plain, "sklearn")
    memory.imported_modules(asked, other, "sklearn")
    assert asked.times == 2
    monkeypatch.setattr(
        "mlxkit.integrations.mlflow.requirements.capture_environment",
        lambda: {"distributions": {"scikit-learn": "99"}},
    )
    memory.imported_modules(asked, plain, "sklearn")
    assert asked.times == 3


def test_the_projects_own_classes_are_always_asked_about(
    save: Callable[..., Path], asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ownstep.py").write_text(
        "from sklearn.base import BaseEstimator\nclass Own(BaseEstimator):\n    def fit(self, x, y=None):\n        return self\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import ownstep  # type: ignore[import-not-found]

    try:
        for _ in range(2):
            file = save(ownstep.Own(), serialization_format="pickle")
            Requirements(tmp_path / "state").imported_modules(asked, file, "sklearn")
    finally:
        del sys.modules["ownstep"]
    assert asked.times == 2


def test_what_is_not_known_to_be_free_of_code_is_always_asked_about(asked: Asked, tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(b"\x80 not a pickle")
    memory = Requirements(tmp_path / "state")
    for path, flavor in ((file, "sklearn"), (file, "python_function"), (tmp_path / "absent", "sklearn")):
        memory.imported_modules(asked, path, flavor)
    memory.imported_modules(asked, file, "sklearn", record_full_module=True)
    assert asked.times == 4 and not (tmp_path / "state" / "requirements.json").exists()


@pytest.mark.parametrize("damage", [b"", b"[1]", b"{", b'{"a": 1}'])
def test_a_damaged_memory_is_written_anew(
    save: Callable[..., Path], asked: Asked, tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "requirements.json").write_bytes(damage)
    file = save(fitted())
    for _ in range(2):
        Requirements(tmp_path / "state").imported_modules(asked, file, "sklearn")
    assert asked.times == 1


def test_the_second_model_of_a_pipeline_lists_what_the_first_one_does(home: Path, mlx: Any) -> None:
    Path("flow.py").write_text(
        "import mlflow\nfrom sklearn.linear_model import Ridge\nfrom mlxkit import pipeline, step\n\n\n"
        "@step(experiment_tracker=True)\ndef train(slope: float) -> list:\n"
        "    model = Ridge().fit([[0.0], [1.0]], [0.0, slope])\n"
        "    info = mlflow.sklearn.log_model(model, name='model')\n"
        "    return open(mlflow.artifacts.download_artifacts(info.model_uri) + '/requirements.txt').read().split()\n\n\n"
        "@pipeline\ndef both():\n    first, second = train(1.0), train(2.0)\n    assert first.load() == second.load()\n"
        "    assert any(line.startswith('scikit-learn==') for line in first.load())\n"
    )
    assert mlx("init").code == 0
    done = mlx("run", "flow.py")
    assert done.code == 0, done.stderr
    assert Path(".mlx/mlflow/requirements.json").stat().st_mode & 0o777 == 0o600


def test_the_flavor_of_a_model_is_that_of_its_class() -> None:
    import mlflow

    class Own(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context: Any, model_input: list[str], params: Any = None) -> Any:
            return model_input

    assert flavor_of(fitted()) == "sklearn"
    assert flavor_of(Own()) == "pyfunc"
    assert flavor_of(lambda model_input: model_input) == "pyfunc"
    with pytest.raises(Exception, match=r"no flavor for a builtins\.dict"):
        flavor_of({})
