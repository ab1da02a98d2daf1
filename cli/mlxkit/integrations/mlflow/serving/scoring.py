"""A loaded model and how one request is scored: by MLflow's own code, so that every answer is MLflow's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from .tables import Tables

_EXAMPLE = "serving_input_example.json"
_JSON = "application/json"
_PLAIN = (_JSON, "application/json; charset=utf-8", "application/json;charset=utf-8")


class CheckError(Exception):
    """The model did not answer its own input example."""


class Answer(NamedTuple):
    """What a request is answered with."""

    status: int
    body: bytes
    content_type: bytes


class Model:
    """A model of MLflow, ready to be asked."""

    def __init__(self, pyfunc: Any) -> None:
        from mlflow.pyfunc import scoring_server

        self.pyfunc = pyfunc
        self.app = scoring_server.init(pyfunc)  # answers what is not asked of the model
        self._schema = pyfunc.metadata.get_input_schema()
        self._invoke = scoring_server.invocations
        from mlflow.exceptions import MlflowException

        self._error = MlflowException
        self._tables = Tables.of(pyfunc)

    @staticmethod
    def load(model_dir: str) -> Model:
        """Load a model from its folder and let it answer its input example, if it has one."""
        sys.path[:] = [place for place in sys.path if place not in ("", str(Path.cwd()))]
        from mlflow.pyfunc.scoring_server import load_model_with_mlflow_config

        model = Model(load_model_with_mlflow_config(model_dir))
        example = _example(Path(model_dir), model.pyfunc)
        if example is not None:
            answer = model.score(example, _JSON)
            if answer.status != 200:
                raise CheckError(f"the model does not answer its input example: {_said(answer)}")
        return model

    def answer_if_quick(self, body: bytes, content_type: str | None) -> Answer | None:
        """Answer a request when the last one of its kind took next to no time; None says to ask `score`."""
        if self._tables is None or not self._tables.is_quick or content_type not in _PLAIN:
            return None
        answer = self._tables.predict(body)
        return None if answer is None else Answer(200, answer, _JSON.encode())

    def score(self, body: bytes, content_type: str | None) -> Answer:
        """Answer a request; raises what MLflow's server would answer with `Internal Server Error`."""
        if self._tables is not None and content_type in _PLAIN:
            answer = self._tables.predict(body)
            if answer is not None:
                return Answer(200, answer, _JSON.encode())
        try:
            found = self._invoke(body, content_type, self.pyfunc, self._schema)
        except self._error as error:
            return Answer(error.get_http_status_code(), error.serialize_as_json().encode(), _JSON.encode())
        kind = found.mimetype
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        return Answer(found.status, found.response.encode(), kind.encode())


def _example(model_dir: Path, pyfunc: Any) -> bytes | None:
    saved = getattr(pyfunc.metadata, "saved_input_example_info", None) or {}
    path = model_dir / str(saved.get("serving_input_path") or _EXAMPLE)
    return path.read_bytes() if path.is_file() else None


def _said(answer: Answer) -> str:
    text = answer.body.decode(errors="replace")
    try:
        told = json.loads(text)
    except ValueError:
        return text[:500]
    trace = str(told.get("stack_trace") or "").strip()
    if trace:
        sys.stderr.write(trace + "\n")
    lines = trace.splitlines()
    return " ".join(f"{told.get('message', text)} {lines[-1] if lines else ''}".split())[:500]
