"""A loaded model and how one request is scored: by MLflow's own code, so that every answer is MLflow's."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from .tables import LIBRARIES, QUICK, Tables

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
        self._is_of_a_library = pyfunc.loader_module in LIBRARIES
        self._was_quick = False

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
        """Answer a request when the last one of its kind took next to no time; None says to ask `score`.

        That holds for models that are nothing but a library's object: what they take depends on the size of the
        request, while code of the user's own may wait for anything.
        """
        if self._tables is not None:
            is_due = self._tables.is_quick and content_type in _PLAIN
            answer = self._tables.predict(body) if is_due else None
            return None if answer is None else Answer(200, answer, _JSON.encode())
        if not self._was_quick:
            return None
        try:
            return self._as_mlflow(body, content_type)
        except Exception:
            return None

    def score(self, body: bytes, content_type: str | None) -> Answer:
        """Answer a request; raises what MLflow's server would answer with `Internal Server Error`."""
        if self._tables is not None and content_type in _PLAIN:
            answer = self._tables.predict(body)
            if answer is not None:
                return Answer(200, answer, _JSON.encode())
        return self._as_mlflow(body, content_type)

    def _as_mlflow(self, body: bytes, content_type: str | None) -> Answer:
        began = time.perf_counter()
        try:
            return self._answered_by_mlflow(body, content_type)
        finally:
            self._was_quick = self._is_of_a_library and time.perf_counter() - began < QUICK

    def _answered_by_mlflow(self, body: bytes, content_type: str | None) -> Answer:
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
