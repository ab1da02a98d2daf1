"""Requests answered by a deployment, against `mlflow models serve` with the same model beside it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlxkit.integrations.mlflow.serving.deployer import MlflowDeployer
from mlxkit.stacks.deployers import ServeSpec

from .measure import Row

_WINDOW = 2.0  # seconds
_ROUNDS = 5
_MODELS = """
import mlflow, pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

class Small(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [float(len(model_input))]

mlflow.pyfunc.save_model("small", python_model=Small(), pip_requirements=["mlflow"])
x = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 7.0]})
fitted = LinearRegression().fit(x, [1.0, 2.0, 3.0])
mlflow.sklearn.save_model(fitted, "sklearn", signature=infer_signature(x, fitted.predict(x)),
                          serialization_format="cloudpickle", pip_requirements=["mlflow", "scikit-learn"])
bare = LinearRegression().fit(x.values, [1.0, 2.0, 3.0])
mlflow.sklearn.save_model(bare, "bare", serialization_format="cloudpickle", pip_requirements=["mlflow", "scikit-learn"])
"""
_TABLE = b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}}'
_BODIES = {"small": _TABLE, "sklearn": _TABLE, "bare": b'{"inputs": [[1.0, 2.0]]}'}
_MODEL_NAMES = {
    "small": "a small Python model",
    "sklearn": "scikit-learn with a signature",
    "bare": "scikit-learn without one",
}


def serving(folder: Path) -> list[Row]:
    """Throughput and median latency with 1 and 8 clients that keep their connection; both servers have one worker."""
    subprocess.run([sys.executable, "-c", _MODELS], cwd=folder, check=True, capture_output=True)
    rows = []
    for name, what in _MODEL_NAMES.items():
        body = _BODIES[name]
        with _ours(folder, folder / name) as ours, _theirs(folder, folder / name) as theirs:
            for clients in (1, 8):
                _ask(ours, body, clients, 1.0)
                _ask(theirs, body, clients, 1.0)
                pairs = [
                    (_ask(ours, body, clients, _WINDOW), _ask(theirs, body, clients, _WINDOW))
                    for _ in range(_ROUNDS)
                ]
                rows += _rows(f"{what}, {clients} client{'s' if clients > 1 else ''}", pairs)
    return rows


def _rows(what: str, pairs: list[tuple[tuple[float, float], tuple[float, float]]]) -> list[Row]:
    rate, rate_theirs = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    took, took_theirs = (statistics.median(pair[side][1] for pair in pairs) for side in (0, 1))
    served = "`mlflow models serve`"
    return [
        Row(f"{what}: requests", f"{rate:.0f} /s", f"{served} {rate_theirs:.0f} /s", rate / rate_theirs, "2 x"),
        Row(f"{what}: median answer", f"{took:.2f} ms", f"{served} {took_theirs:.2f} ms", took / took_theirs, "0.5 x"),
    ]  # fmt: skip


def _ask(port: int, body: bytes, clients: int, seconds: float) -> tuple[float, float]:
    """Return requests per second and the median milliseconds of one."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    def ask() -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        mine = []
        while (began := time.perf_counter()) < until:
            link.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            answer = link.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"answered with {answer.status}")
            mine.append(time.perf_counter() - began)
        took.extend(mine)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) / seconds, statistics.median(took) * 1000


@contextmanager
def _ours(folder: Path, model: Path) -> Iterator[int]:
    deployer, home = MlflowDeployer(None, folder), folder / f"{model.name}-deployment"
    try:
        yield deployer.start(ServeSpec(model.name, home, model, model.name)).port or 0
    finally:
        deployer.stop(home)


@contextmanager
def _theirs(folder: Path, model: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    argv = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local", "-p", str(port)]  # fmt: skip
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (folder / "theirs.log").open("wb") as log:
        process = subprocess.Popen(argv, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
