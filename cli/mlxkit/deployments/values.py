"""Python values as a deployment takes them, and predictions as they were asked for; no library is imported for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from .payload import LLM, PROTOCOL


def body_of(data: Any) -> bytes:
    """Return the JSON of rows, records, columns, an array or a table; raises UsageError for what has none.

    Bytes are JSON already.
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    try:
        return json.dumps(_shaped(data), default=_plain).encode()
    except (TypeError, ValueError) as error:
        raise UsageError(f"a {type(data).__name__} cannot be sent to a model: {error}") from error


def returned(answer: Any, data: Any) -> Any:
    """Return the predictions in an answer: an array when an array or a table was sent, else plain values."""
    predictions = answer.get("predictions", answer) if isinstance(answer, dict) else answer
    if not isinstance(predictions, list) or not _is_columnar(data):
        return predictions
    import numpy

    return numpy.asarray(predictions)


def _is_columnar(data: Any) -> bool:
    if isinstance(data, Mapping):
        return any(_is_array(value) for value in data.values())
    return _is_array(data) or hasattr(data, "iloc") or hasattr(data, "to_dicts")


def _shaped(data: Any) -> Any:
    if hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas; its index means nothing to a model
        split = data.to_dict(orient="split")
        return {"dataframe_split": {"columns": split["columns"], "data": split["data"]}}
    if hasattr(data, "to_dicts"):  # polars
        return {"dataframe_records": data.to_dicts()}
    if isinstance(data, Mapping) and _has_columns(data):
        return {"inputs": dict(data)}
    return data


def _has_columns(data: Mapping[Any, Any]) -> bool:
    """Say whether a mapping is a table by its columns, and neither one record nor MLflow's protocol."""
    if any(_is_array(value) for value in data.values()):
        return not PROTOCOL & data.keys()
    if not data or (PROTOCOL | LLM) & data.keys():
        return False
    columns = list(data.values())
    return all(isinstance(column, (list, tuple)) and len(column) == len(columns[0]) for column in columns)


def _is_array(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON has no {type(value).__name__}")
