"""Requests with a table of numbers, read as MLflow reads them and in a tenth of the time.

MLflow makes a table out of such a request column by column, twice: when it parses, and when it holds the table against
the model's signature. Where the request has what the signature names, in its order, and nothing but numbers, there is
nothing to convert, and one array does. Whether that gives the very same table is tried out when the model is loaded, for
each form of request; whatever is not of that kind goes MLflow's way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

# Flavors whose models are told nothing but the table: no context, no parameters of MLflow's.
LIBRARIES = ("mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost")
_NUMBERS = {float, int}
_EXACT = 1 << 53  # an int beyond this is another number as a float
QUICK = 0.020  # seconds
Rows = Sequence[Sequence[Any]]


class Tables:
    """Reads the tables of one model's requests."""

    def __init__(self, pyfunc: Any, names: list[str]) -> None:
        import numpy
        import pandas

        self._numpy, self._pandas = numpy, pandas
        self._names = names
        self.is_quick = False  # whether the model took next to no time, when it was asked last
        self._columns = pandas.DataFrame({name: numpy.zeros(1) for name in names}).columns
        self._predict: Callable[..., Any] = pyfunc._predict_fn
        forms = {
            "dataframe_split": self._of_split,
            "dataframe_records": self._of_records,
            "inputs": self._of_records,
        }
        self._forms = {name: rows for name, rows in forms.items() if self._is_alike(pyfunc, name)}

    @staticmethod
    def of(pyfunc: Any) -> Tables | None:
        """Return a reader for a model that is told nothing but numbers by name, or None."""
        try:
            names = _names(pyfunc)
            made = Tables(pyfunc, names) if names else None
        except Exception:  # another version of MLflow, where things are called otherwise
            return None
        return made if made is not None and made._forms else None

    def predict(self, body: bytes) -> bytes | None:
        """Return the answer to a request, or None for what has to go MLflow's way."""
        try:
            asked = json.loads(body)
            if type(asked) is not dict or len(asked) != 1:
                return None
            ((form, content),) = asked.items()
            rows = self._forms[form](content)
            if not rows or not all(_are_numbers(row) for row in rows):
                return None
            found = self._timed(self._table(rows))
            if type(found) is not self._numpy.ndarray:
                return None
            return json.dumps({"predictions": found.tolist()}).encode()
        except Exception:  # whatever is wrong with it is said in MLflow's words
            return None

    def _timed(self, table: Any) -> Any:
        began = time.perf_counter()
        try:
            return self._predict(table)
        finally:
            self.is_quick = time.perf_counter() - began < QUICK

    def _table(self, rows: Rows) -> Any:
        values = self._numpy.array(rows, dtype="float64", order="F")  # as pandas keeps columns of one type
        if values.ndim != 2 or values.shape[1] != len(self._names):
            raise ValueError
        return self._pandas.DataFrame(values, columns=self._columns)

    def _of_split(self, content: Any) -> Rows | None:
        if (
            type(content) is not dict
            or content.keys() != {"columns", "data"}
            or content["columns"] != self._names
        ):
            return None
        rows: Rows = content["data"]
        return rows if type(rows) is list and all(type(row) is list for row in rows) else None

    def _of_records(self, content: Any) -> Rows | None:
        if type(content) is not list or not all(
            type(item) is dict and list(item) == self._names for item in content
        ):
            return None
        return [list(item.values()) for item in content]

    def _is_alike(self, pyfunc: Any, form: str) -> bool:
        """Say whether MLflow makes the same table of a request in this form."""
        from mlflow.pyfunc import _validate_prediction_input
        from mlflow.pyfunc.scoring_server import infer_and_parse_data

        width = range(len(self._names))
        rows: Rows = [[index + 0.5 for index in width], [*width]]
        records = [dict(zip(self._names, row, strict=True)) for row in rows]
        content = {"columns": self._names, "data": rows} if form == "dataframe_split" else records
        schema = pyfunc.metadata.get_input_schema()
        theirs, _ = _validate_prediction_input(
            infer_and_parse_data({form: content}, schema), None, schema, None, pyfunc.loader_module
        )
        ours = self._table(rows)
        return bool(
            type(theirs) is type(ours)
            and theirs.equals(ours)
            and theirs.columns.dtype == ours.columns.dtype
            and type(theirs.index) is type(ours.index)
            and list(theirs.dtypes) == list(ours.dtypes)
        )


def _names(pyfunc: Any) -> list[str]:
    """Return the columns of a signature that is all numbers; none for any other."""
    schema, metadata = pyfunc.metadata.get_input_schema(), pyfunc.metadata
    if (
        pyfunc.loader_module not in LIBRARIES
        or schema is None
        or metadata.get_params_schema() is not None
        or schema.is_tensor_spec()
        or not schema.has_input_names()
        or metadata._is_signature_from_type_hint()
        or metadata._is_type_hint_from_example()
        or any(str(kind) != "DataType.double" for kind in schema.input_types())
    ):
        return []
    return [str(name) for name in schema.input_names()]


def _are_numbers(row: Sequence[Any]) -> bool:
    """Say whether a row holds numbers alone; true, null and text are not, and no float takes a very large int."""
    kinds = set(map(type, row))
    if kinds == {float}:
        return True
    return kinds <= _NUMBERS and all(-_EXACT <= value <= _EXACT for value in row if type(value) is int)
