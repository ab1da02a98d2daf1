"""Models to serve, made once by MLflow itself, and servers that are gone after the test."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mlxkit.integrations.mlflow.serving.deployer import MlflowDeployer
from mlxkit.integrations.mlflow.serving.state import holder
from mlxkit.stacks.deployers import ServeSpec

MODELS = '''
import os, sys, time
import mlflow, pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

def daemon():
    """Start a process that nobody waits for, and return its id."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0: time.sleep(300)
        os.write(write, str(pid).encode())
        os._exit(0)
    os.wait()
    return int(os.read(read, 20))

class Obedient(mlflow.pyfunc.PythonModel):
    """Answers with its version, after it did what the input says."""
    def __init__(self, version, on_load=""):
        self.version, self.on_load = version, on_load
    def load_context(self, context):
        self.daemon = daemon() if self.on_load == "daemon" else None
        if self.on_load == "raise":
            print("about to fail")
            raise ValueError("this model is broken")
        if self.on_load == "exit":
            print("about to exit", flush=True)
            os._exit(7)
        if self.on_load == "hang":
            time.sleep(600)
    def predict(self, context, model_input, params=None):
        import pandas
        if isinstance(model_input, pandas.DataFrame):
            return pandas.DataFrame({"version": [self.version] * len(model_input)})
        for order in list(model_input) if not isinstance(model_input, dict) else []:
            what, _, arg = str(order).partition(":")
            if what == "sleep": time.sleep(float(arg))
            if what == "spin":
                until = time.time() + float(arg)
                while time.time() < until: pass
            if what == "die": os._exit(int(arg))
            if what == "print": print(arg)
            if what == "raise": raise RuntimeError(arg)
            if what == "loop":
                import asyncio
                asyncio.run(asyncio.sleep(0))
            if what == "hold":  # the interpreter, and so every thread
                import ctypes
                ctypes.PyDLL(None).sleep(int(arg))
            if what == "exits": sys.exit(int(arg))
            if what == "daemon": return [daemon()]
            if what == "daemon on load": return [self.daemon]
            if what == "pid": return [os.getpid()]
            if what == "env": return [str(dict(os.environ))]
        return [self.version]

class WithParams(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [f"{text}{params}" for text in model_input["text"]]

def save(name, model, **more):
    mlflow.pyfunc.save_model(name, python_model=model, pip_requirements=["mlflow"], **more)

save("one", Obedient(1))
save("two", Obedient(2))
save("daemon", Obedient(1, "daemon"))
for how in ("raise", "exit", "hang"):
    save(how, Obedient(3, how))
texts = pd.DataFrame({"text": ["a"]})
save("params", WithParams(), signature=infer_signature(texts, ["a"], {"temperature": 0.5, "many": [1, 2]}))
x = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2, 4, 7], "c": ["x", "y", "z"]})
from sklearn.pipeline import make_pipeline
from sklearn.compose import make_column_transformer
fitted = make_pipeline(make_column_transformer(("passthrough", ["a", "b"])), LinearRegression()).fit(x, [1.0, 2.0, 3.0])
mlflow.sklearn.save_model(fitted, "sk", signature=infer_signature(x, fitted.predict(x)), input_example=x[:1],
                          serialization_format="cloudpickle", pip_requirements=["mlflow", "scikit-learn"])
import json, shutil
shutil.copytree("sk", "misfit")
open("misfit/serving_input_example.json", "w").write(json.dumps({"dataframe_split": {"columns": ["z"], "data": [[1]]}}))
'''


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the models."""
    folder = tmp_path_factory.mktemp("models")
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run([sys.executable, "-c", MODELS], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@dataclass
class Server:
    """One deployment."""

    deployer: MlflowDeployer
    spec: ServeSpec

    @property
    def folder(self) -> Path:
        return self.spec.folder

    @property
    def port(self) -> int:
        port = self.deployer.serving(self.folder).port
        assert port is not None
        return port

    @property
    def log(self) -> str:
        return self.deployer.log(self.folder).read_text()

    def ask(
        self,
        body: bytes | str = '{"inputs": ["x"]}',
        path: str = "/invocations",
        method: str = "POST",
        timeout: float = 30,
        **headers: str,
    ) -> tuple[int, bytes]:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        try:
            link.request(method, path, body if method == "POST" else None, sent)
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def replace(self, model_dir: Path, **more: object) -> None:
        self.deployer.replace(replace(self.spec, model_dir=model_dir, model=model_dir.name, **more))  # type: ignore[arg-type]


Serve = Callable[..., Server]


def make_server(folder: Path, model_dir: Path, *, wait: bool = True, **more: object) -> Server:
    deployer = MlflowDeployer(None, folder)
    spec = ServeSpec(model_dir.name, folder / "d", model_dir, model_dir.name, **more)  # type: ignore[arg-type]
    deployer.start(spec, wait=wait)
    return Server(deployer, spec)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve models until the end of the test."""
    servers: list[Server] = []

    def start(model_dir: Path, name: str = "", **more: object) -> Server:
        servers.append(make_server(tmp_path / (name or str(len(servers))), model_dir, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.deployer.stop(server.folder)
        assert holder(server.folder) is None


@pytest.fixture(scope="module")
def one(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of model `one` that tests share and leave as it is."""
    server = make_server(tmp_path_factory.mktemp("one"), models / "one", max_body=1_000_000)
    yield server
    server.deployer.stop(server.folder)


def eventually(claim: Callable[[], object], within: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within
    while not claim():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)
