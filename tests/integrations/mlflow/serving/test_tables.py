"""Tables of numbers are read the short way, and answered exactly as MLflow answers them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxkit.integrations.mlflow.serving.scoring import Model
from mlxkit.integrations.mlflow.serving.tables import Tables

pytestmark = pytest.mark.integration
NAMES = ["a b", "é", "c"]
JSON = "application/json"


class Spy:
    """Counts what was read the short way."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.answered = tables, 0

    def predict(self, body: bytes) -> bytes | None:
        answer = self.tables.predict(body)
        self.answered += answer is not None
        return answer


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model]:
    """The same model twice: as it is served, and with MLflow's own way alone."""
    import mlflow
    import pandas
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    table = pandas.DataFrame([[0.1, 2.0, 3.0], [1.5, 0.0, 7.0], [2.5, 5.0, 1.0]], columns=NAMES)
    model = LinearRegression().fit(table, [1.0, 2.0, 4.0])
    folder = tmp_path_factory.mktemp("model") / "m"
    mlflow.sklearn.save_model(
        model, folder, signature=infer_signature(table, model.predict(table)), pip_requirements=[]
    )
    ours, theirs = Model.load(str(folder)), Model.load(str(folder))
    assert ours._tables is not None
    theirs._tables = None
    return ours, theirs


def compared(models: tuple[Model, Model], body: bytes, kind: str = JSON) -> bool:
    """Hold our answer against MLflow's, and say whether the short way was taken."""
    ours, theirs = models
    spy = Spy(ours._tables.tables if isinstance(ours._tables, Spy) else ours._tables)  # type: ignore[arg-type]
    ours._tables = spy  # type: ignore[assignment]
    mine, other = ours.score(body, kind), theirs.score(body, kind)
    assert mine.status == other.status
    if mine.status == 200:
        assert mine == other
    else:  # a stack trace names other lines
        said, meant = json.loads(mine.body), json.loads(other.body)
        assert (said["error_code"], said["message"]) == (meant["error_code"], meant["message"])
    return spy.answered == 1


def split(*rows: Any, columns: Any = NAMES, **more: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": columns, "data": list(rows), **more}}


def records(*rows: Any, form: str = "dataframe_records") -> dict[str, Any]:
    return {form: [dict(zip(NAMES, row, strict=True)) for row in rows]}


ROW = [0.5, 2, 3.25]
SHORT = [
    split(ROW),
    split(ROW, [1, 2, 3], [1e300, -0.0, 5e-324]),
    split([1, 2, 3]),
    split([2**53, -(2**53), 0]),
    records(ROW),
    records(ROW, [1, 2, 3]),
    records(ROW, form="inputs"),
]
LONG = [
    split([float("nan"), float("inf"), 1.0]),  # short as far as it goes; the model refuses it
    split([2**53 + 1, 2**70, 0]),
    split([True, 1.0, 2.0]),
    split([None, 1.0, 2.0]),
    split(["1", 1.0, 2.0]),
    split([1.0, 2.0]),
    split([1.0, 2.0, 3.0, 4.0]),
    split(ROW, [1.0, 2.0]),
    split(),
    split(ROW, index=[7]),
    split(ROW, columns=NAMES[::-1]),
    split(ROW, columns=[*NAMES, "more"]),
    split(ROW, columns=None),
    {**split(ROW), "params": {"x": 1}},
    {**split(ROW), "more": 1},
    {**split(ROW), **records(ROW)},
    {"dataframe_records": [{"c": 3, "é": 2, "a b": 1}]},
    {"dataframe_records": [{"a b": 1, "é": 2}]},
    {"dataframe_records": [{"a b": 1, "é": 2, "c": 3, "d": 4}]},
    {"dataframe_records": {"a b": 1}},
    {"dataframe_records": []},
    {"dataframe_records": [1, 2]},
    records(ROW, form="instances"),
    {"inputs": [ROW]},
    {"inputs": {"a b": [1.0], "é": [2.0], "c": [3.0]}},
    {"messages": [{"role": "user", "content": "x"}]},
    {},
    [],
    3,
]


@pytest.mark.parametrize("body", SHORT, ids=lambda body: str(body)[:60])
def test_a_table_of_numbers_goes_the_short_way(models: tuple[Model, Model], body: Any) -> None:
    assert compared(models, json.dumps(body).encode())
    assert compared(models, json.dumps(body).encode(), "application/json; charset=utf-8")


@pytest.mark.parametrize("body", LONG, ids=lambda body: str(body)[:60])
def test_anything_else_goes_mlflows_way(models: tuple[Model, Model], body: Any) -> None:
    assert not compared(models, json.dumps(body).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"dataframe_split"', b"null"])
def test_what_is_no_json_goes_mlflows_way(models: tuple[Model, Model], body: bytes) -> None:
    assert not compared(models, body)


numbers = st.one_of(st.floats(width=64), st.integers(-(2**63), 2**63), st.booleans(), st.none(), st.just("1"))
rows = st.lists(st.lists(numbers, min_size=2, max_size=4), max_size=4)


@settings(max_examples=150, deadline=None)
@given(rows, st.sampled_from(["dataframe_split", "inputs", "dataframe_records"]))
def test_whatever_the_numbers_are_the_answer_is_mlflows(
    models: tuple[Model, Model], table: list[list[Any]], form: str
) -> None:
    body = split(*table) if form == "dataframe_split" else {form: [dict(zip(NAMES, row)) for row in table]}  # noqa: B905
    compared(models, json.dumps(body).encode())


def test_many_rows_give_the_same_digits(models: tuple[Model, Model]) -> None:
    body = split(*[[index / 7, index / 11, index / 13] for index in range(500)])
    assert compared(models, json.dumps(body).encode())


def test_a_model_that_is_told_more_than_numbers_is_left_to_mlflow(tmp_path: Path) -> None:
    import mlflow
    import pandas
    from mlflow.models import infer_signature
    from sklearn.dummy import DummyClassifier

    for number, column in enumerate(([1, 2], ["x", "y"], [True, False])):
        table = pandas.DataFrame({"a": column})
        model = DummyClassifier().fit(table, [0, 1])
        folder = tmp_path / str(number)
        mlflow.sklearn.save_model(model, folder, signature=infer_signature(table), pip_requirements=[])
        assert Model.load(str(folder))._tables is None
    mlflow.sklearn.save_model(model, tmp_path / "bare", pip_requirements=[])
    assert Model.load(str(tmp_path / "bare"))._tables is None


def test_a_table_is_answered_where_everybody_waits_only_when_the_last_one_was_quick(
    models: tuple[Model, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    model = models[0]
    tables = model._tables.tables if isinstance(model._tables, Spy) else model._tables
    assert tables is not None
    monkeypatch.setattr(model, "_tables", tables)
    body, predict, pause = json.dumps(split(ROW)).encode(), tables._predict, 0.0

    def slowly(table: Any) -> Any:
        time.sleep(pause)
        return predict(table)

    monkeypatch.setattr(tables, "_predict", slowly)
    expected = model.score(body, JSON)
    # A busy machine may make any one answer slow.
    assert any(model.score(body, JSON) and model.answer_if_quick(body, JSON) == expected for _ in range(50))
    assert model.answer_if_quick(json.dumps({"inputs": 5}).encode(), JSON) is None
    pause = 0.05
    assert model.answer_if_quick(body, JSON) == expected  # nobody could know
    assert model.answer_if_quick(body, JSON) is None
    pause = 0.0
    assert model.score(body, JSON) == expected
    assert model.answer_if_quick(body, JSON) == expected


def test_a_library_model_without_a_signature_is_answered_at_once_when_the_last_answer_was_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    import mlflow
    from sklearn.linear_model import LinearRegression

    class Own(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [1.0]

    mlflow.sklearn.save_model(
        LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]), tmp_path / "bare", pip_requirements=[]
    )
    mlflow.pyfunc.save_model(tmp_path / "own", python_model=Own(), pip_requirements=[])
    body = b'{"inputs": [[3.0]]}'
    model, own = Model.load(str(tmp_path / "bare")), Model.load(str(tmp_path / "own"))
    assert model.answer_if_quick(body, JSON) is None  # nobody knows yet
    expected = model.score(body, JSON)
    assert model.answer_if_quick(body, JSON) == expected
    predict = model.pyfunc._predict_fn
    monkeypatch.setattr(model.pyfunc, "_predict_fn", lambda data: time.sleep(0.05) or predict(data))
    model.score(body, JSON)
    assert model.answer_if_quick(body, JSON) is None
    own.score(body, JSON)
    assert own.answer_if_quick(body, JSON) is None  # code of the user's own may wait for anything, next time
