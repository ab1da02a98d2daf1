"""Every answer is the one of `mlflow models serve`, run beside with the same model."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import make_server

pytestmark = pytest.mark.integration

JSON = "application/json"
GOOD = {"columns": ["a", "b", "c"], "data": [[1.0, 2, "x"], [3.0, 5, "y"]]}
ROW = {"a": 1.0, "b": 2, "c": "x"}


def parquet() -> bytes:
    import pandas as pd

    buffer = io.BytesIO()
    pd.DataFrame([ROW, ROW]).to_parquet(buffer)
    return buffer.getvalue()


def post(model: str, what: str, body: Any, content_type: str | None = JSON, path: str = "/invocations", method: str = "POST"):  # type: ignore[no-untyped-def]  # fmt: skip
    sent = (
        body
        if isinstance(body, bytes)
        else body.encode()
        if isinstance(body, str)
        else json.dumps(body).encode()
    )
    return f"{model}: {what}", model, (method, path, sent, content_type)


def table() -> Iterator[Any]:
    for what, body in {
        "split": {"dataframe_split": GOOD},
        "split index": {"dataframe_split": {**GOOD, "index": [7, 9]}},
        "split other order": {"dataframe_split": {"columns": ["c", "b", "a"], "data": [["x", 2, 1.0]]}},
        "split no columns": {"dataframe_split": {"data": [[1.0, 2, "x"]]}},
        "split no data": {"dataframe_split": {"columns": ["a"]}},
        "split extra key": {"dataframe_split": {**GOOD, "more": 1}},
        "split list": {"dataframe_split": [1]},
        "split ragged": {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}},
        "split empty": {"dataframe_split": {"columns": ["a", "b", "c"], "data": []}},
        "records": {"dataframe_records": [ROW, ROW]},
        "records dict": {"dataframe_records": {"a": 1}},
        "records text": {"dataframe_records": "x"},
        "records empty": {"dataframe_records": []},
        "inputs rows": {"inputs": [ROW]},
        "inputs columns": {"inputs": {"a": [1.0], "b": [2], "c": ["x"]}},
        "inputs scalar": {"inputs": 5},
        "instances": {"instances": [ROW, ROW]},
        "instances not list": {"instances": ROW},
        "instances ragged": {"instances": [{"a": 1.0}, ROW]},
        "missing column": {"dataframe_records": [{"a": 1.0, "b": 2}]},
        "extra column": {"dataframe_records": [{**ROW, "d": 1}]},
        "wrong type": {"dataframe_records": [{"a": "x", "b": 2, "c": "x"}]},
        "float for long": {"dataframe_records": [{"a": 1, "b": 2.5, "c": "x"}]},
        "number for text": {"dataframe_records": [{"a": 1.0, "b": 2, "c": 3}]},
        "null": {"dataframe_records": [{"a": None, "b": 2, "c": "x"}]},
        "null for long": {"dataframe_records": [{"a": 1.0, "b": None, "c": "x"}]},
        "unicode": {"dataframe_records": [{"a": 1.0, "b": 2, "c": "ü\u2028😀"}]},
        "two formats": {"inputs": [ROW], "instances": [ROW]},
        "no format": {"data": [1]},
        "params unasked": {"dataframe_split": GOOD, "params": {"x": 1}},
        "params null": {"dataframe_split": GOOD, "params": None},
        "unknown key": {"dataframe_split": GOOD, "more": 1},
        "llm": {"messages": [{"role": "user", "content": "x"}]},
        "list": [1, 2],
        "number": 5,
        "text": "x",
        "nothing": None,
    }.items():
        yield post("sk", what, json.dumps(body))
    yield post("sk", "bad json", "{")
    yield post("sk", "empty", "")
    yield post("sk", "nan", '{"dataframe_records": [{"a": NaN, "b": 2, "c": "x"}]}')
    yield post("sk", "not utf8", b"\xff\xfe{}")
    yield post("sk", "bom", b"\xef\xbb\xbf{}")
    yield post("sk", "deep", "[" * 5000)
    for what, kind in {
        "charset": "application/json; charset=utf-8",
        "charset upper": "application/json; charset=UTF-8",
        "charset latin": "application/json; charset=latin-1",
        "parameter": "application/json; format=pandas-split",
        "upper case": "Application/JSON",
        "xml": "text/xml",
        "blank": "",
        "none": None,
        "only semicolon": ";",
    }.items():
        yield post("sk", f"type {what}", {"dataframe_split": GOOD}, kind)
    csv = "a,b,c\n1.0,2,x\n3.0,4,y\n"
    yield post("sk", "csv", csv, "text/csv")
    yield post("sk", "csv charset", csv, "text/csv; charset=utf-8")
    yield post("sk", "csv empty", "", "text/csv")
    yield post("sk", "csv bad", 'a,b,c\n"1', "text/csv")
    yield post("sk", "csv wrong type", "a,b,c\nx,y,z\n", "text/csv")
    yield post("sk", "csv missing column", "a,b\n1,2\n", "text/csv")
    yield post("sk", "csv not utf8", b"a,b,c\n1,2,\xff\n", "text/csv")
    yield post("sk", "parquet", parquet(), "application/vnd.apache.parquet")
    yield post("sk", "parquet bad", b"PAR1 no", "application/vnd.apache.parquet")
    for path in ("/ping", "/health", "/version", "/docs", "/redoc", "/openapi.json", "/", "/nowhere", "/invocations", "/ping/", "/invocations/", "/%69nvocations", "/ping?x=1", "//ping", "/PING"):  # fmt: skip
        for method in ("GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE"):
            yield post("sk", f"{method} {path}", {"dataframe_split": GOOD}, JSON, path, method)
    for what, body in {
        "list": {"inputs": ["a"]},
        "dict": {"inputs": {"a": 1}},
        "nested": {"inputs": [[1, 2], [3, 4]]},
        "instances": {"instances": [1, 2, 3]},
        "frame": {"dataframe_records": [{"a": 1}]},
        "messages": {"messages": [{"role": "user", "content": "hi"}], "temperature": 0.1},
        "prompt": {"prompt": "hi"},
        "input": {"input": ["hi"]},
        "messages and inputs": {"messages": [], "inputs": [1]},
        "raise": {"inputs": ["raise:no good"]},
        "params": {"inputs": ["a"], "params": {"x": 1}},
        "own loop": {"inputs": ["loop"]},
    }.items():
        yield post("one", what, json.dumps(body))
    for what, params in {
        "default": None,
        "all": {"temperature": 0.9, "many": [3]},
        "one": {"temperature": 1},
        "unknown": {"heat": 1},
        "wrong type": {"temperature": "hot"},
        "not a dict": [1],
        "scalar for list": {"many": 1},
    }.items():
        yield post("params", what, json.dumps({"inputs": [{"text": "x"}], "params": params}))
    yield post("params", "llm", json.dumps({"prompt": "x", "temperature": 0.2}))


@pytest.fixture(scope="module")
def servers(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[int, int]]]:
    """Both servers of each model, by their ports; theirs first. The order of sets is made the same."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONHASHSEED", "0")
    patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    folder = tmp_path_factory.mktemp("parity")
    names = ("sk", "one", "params")
    theirs, ours = {}, []
    for name in names:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        argv = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(models / name), "--env-manager", "local", "-p", str(port)]  # fmt: skip
        log = (folder / f"{name}.log").open("wb")
        theirs[name] = port, subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    try:
        ours = [make_server(folder / name, models / name) for name in names]
        for port, process in theirs.values():
            _wait(port, process)
        yield {server.spec.name: (theirs[server.spec.name][0], server.port) for server in ours}
    finally:
        patch.undo()
        for server in ours:
            server.deployer.stop(server.folder)
        for _, process in theirs.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_every_answer_is_the_one_of_mlflow(servers: dict[str, tuple[int, int]]) -> None:
    asked, different = 0, {}
    for what, model, request in table():  # one test: the servers of both sides cost half a minute to start
        theirs, ours = (answer(port, *request) for port in servers[model])
        asked += 1
        if ours != theirs:
            different[what] = (theirs, ours)
    assert not different
    assert asked > 170


def test_the_client_of_mlflow_gets_the_same(servers: dict[str, tuple[int, int]]) -> None:
    program = """
import sys, pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
for port in sys.argv[1:]:
    client = ScoringServerClient("127.0.0.1", int(port))
    client.wait_server_ready()
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2], "c": ["x", "y"]})
    print(client.get_version(), client.invoke(frame).get_predictions().to_dict())
"""
    ports = [str(port) for port in servers["sk"]]
    done = subprocess.run([sys.executable, "-c", program, *ports], capture_output=True, text=True)
    theirs, ours = done.stdout.splitlines()
    assert theirs == ours, done.stderr
    assert "'predictions'" in ours or "{0:" in ours


def test_an_answer_stays_the_same_once_the_model_is_known_to_be_quick(
    servers: dict[str, tuple[int, int]],
) -> None:
    for body in ('{"inputs": ["loop"]}', '{"inputs": ["raise:no good"]}', '{"inputs": ["a"]}'):
        seen = {answer(servers["one"][1], "POST", "/invocations", body.encode(), JSON) for _ in range(40)}
        assert seen == {answer(servers["one"][0], "POST", "/invocations", body.encode(), JSON)}


def answer(port: int, method: str, path: str, body: bytes, kind: str | None) -> tuple[Any, ...]:
    """Ask, and return what must be the same: status, headers that mean something, body."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        link.request(method, path, body, {} if kind is None else {"Content-Type": kind})
        got = link.getresponse()
        text = got.read().decode()
        headers = {
            k.lower(): v.replace(str(port), "PORT") for k, v in got.getheaders() if k.lower() != "date"
        }
        headers.pop("content-length", None)
        text = re.sub(r"0x[0-9a-f]{6,}", "0x", text).replace(str(port), "PORT")
        return got.status, sorted(headers.items()).__repr__(), text
    finally:
        link.close()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if answer(port, "GET", "/ping", b"", None)[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("mlflow models serve did not start")
