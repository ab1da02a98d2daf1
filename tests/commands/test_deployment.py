"""`mlx model deploy`, `mlx model predict` and `mlx deployment`, as processes that a shell starts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.deployments.zoo import BROKEN, LACKING, Zoo, bred, served, zoo

__all__ = ["bred", "served", "zoo"]
MLX = [sys.executable, "-m", "mlxkit"]


def mlx(*words: str, stdin: str | bytes = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    text = stdin if isinstance(stdin, bytes) else stdin.encode()
    done = subprocess.run(
        [*MLX, *words], input=text, capture_output=True, check=False, env={**os.environ, **more}, timeout=120
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def listed() -> list[dict[str, object]]:
    return list(json.loads(mlx("deployment", "list", "-o", "json").stdout))


def test_from_deploy_to_delete_in_a_shell(zoo: Zoo) -> None:
    zoo.registry.set_alias("zoo", "production", 1)
    made = mlx("model", "deploy", "zoo@production", "--name", "d")
    assert made.returncode == 0, made.stderr
    url = made.stdout.strip()
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/invocations")
    [first] = listed()
    assert (first["state"], first["prediction_url"]) == ("running", url), (
        "it survives the shell that started it"
    )
    assert mlx("deployment", "url", "d").stdout.strip() == url

    curl = next(line for line in made.stderr.splitlines() if line.startswith("curl "))
    if shutil.which("curl"):
        answer = subprocess.run(["sh", "-c", f"{curl} -s"], capture_output=True, text=True, check=True)
        assert json.loads(answer.stdout) == {"predictions": [1.0]}

    taken = mlx("model", "deploy", "zoo:2", "--name", "d")
    assert (taken.returncode, taken.stdout) == (1, "")
    assert "mlx deployment update d --model REF" in taken.stderr

    zoo.registry.set_alias("zoo", "production", 2)
    assert (listed()[0]["follows"], listed()[0]["alias_now"]) == ("moved", 2)
    assert "zoo@production\t1\tmoved\t2\trunning" in mlx("deployment", "list").stdout
    updated = mlx("deployment", "update", "d")
    assert updated.returncode == 0, updated.stderr
    assert "d serves zoo:2 at" in updated.stderr
    assert "nothing new" in mlx("deployment", "update", "d").stderr
    assert mlx("model", "predict", "d", "--data", "[[0, 0]]").stdout == "[2.0]\n"

    failed = mlx("deployment", "update", "d", "--model", f"zoo:{BROKEN}")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "the weights are broken" in failed.stderr
    assert mlx("model", "predict", "d", "--data", "[[0, 0]]").stdout == "[2.0]\n"

    os.kill(int(str(listed()[0]["pid"])), signal.SIGKILL)
    time.sleep(0.1)
    [killed] = listed()
    assert killed["state"] == "failed"
    assert "is gone" in str(killed["reason"])
    down = mlx("model", "predict", "d", "--data", "[[0, 0]]")
    assert down.returncode == 1
    assert "mlx deployment start d" in down.stderr
    assert mlx("deployment", "start", "d").returncode == 0
    assert mlx("deployment", "url", "d").stdout.strip() == url, "on the port it had"

    refused = mlx("deployment", "delete", "d")
    assert (refused.returncode, listed()[0]["state"]) == (2, "running")
    assert mlx("deployment", "delete", "d", "--yes").returncode == 0
    assert listed() == []
    assert zoo.leftovers() == []
    assert not (zoo.deployments / "d").exists()


def test_what_cannot_be_deployed_is_said_with_its_exit_code(zoo: Zoo) -> None:
    for words, code, said in (
        (["zo"], 3, "did you mean 'zoo'"),
        (["zoo:99"], 3, "no version '99'"),
        (["zoo@champion"], 3, "champion"),
        ([f"zoo:{LACKING}"], 1, "pip install no-such-thing-of-ours==1.0"),
        (["zoo:1", "--token", "S3cret-Value"], 2, "mlx secret create"),
        (["zoo:1", "--token", "<<serving.token>>"], 5, "no secret named 'serving'"),
        (["zoo:1", "--max-body", "lots"], 2, "--max-body"),
        (["zoo:1", "--name", "a/b"], 2, "deployment name 'a/b'"),
        (["zoo:1", "--port", "99999"], 2, "99999"),
        (["zoo:1", "--host", "not a host"], 2, "not a host"),
    ):
        done = mlx("model", "deploy", *words)
        assert (done.returncode, done.stdout) == (code, ""), (words, done.stderr)
        assert said in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert "S3cret-Value" not in done.stderr
    assert listed() == []
    assert zoo.leftovers() == []


@pytest.mark.parametrize("after", ["fetching", "starting"])
def test_ctrl_c_while_it_starts_leaves_nothing(zoo: Zoo, after: str) -> None:
    process = subprocess.Popen([*MLX, "model", "deploy", "zoo:1"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while not process.stderr.readline().startswith(after):
        assert process.poll() is None
    time.sleep(0.3 if after == "starting" else 0)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert zoo.leftovers() == []
    assert not (zoo.deployments / "zoo").exists()


def test_a_token_reaches_callers_and_nothing_else(zoo: Zoo) -> None:
    secret = {"MLX_SECRET_SERVING__TOKEN": "T0ken-that-nobody-sees"}
    made = mlx("model", "deploy", "zoo:1", "--token", "<<serving.token>>", "--host", "0.0.0.0", **secret)
    assert made.returncode == 0, made.stderr
    assert "anyone who reaches this machine can call the model" in made.stderr
    curl = next(line for line in made.stderr.splitlines() if "curl" in line)
    assert "mlx secret get serving token --reveal; } | curl" in curl
    if shutil.which("curl"):
        command = curl.replace("mlx secret", f"{sys.executable} -m mlxkit secret")
        asked = subprocess.run(
            ["sh", "-c", f"{command} -s"],
            env={**os.environ, **secret},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(asked.stdout)["predictions"]
    right = mlx("model", "predict", "zoo", "-d", "[[0, 0]]", **secret)
    wrong = mlx("model", "predict", "zoo", "-d", "[[0, 0]]", MLX_SECRET_SERVING__TOKEN="an0ther-token")
    assert (right.stdout, wrong.returncode, wrong.stdout) == ("[1.0]\n", 5, "")
    assert mlx("model", "predict", "zoo", "-d", "[[0, 0]]").returncode == 5
    described = mlx("deployment", "describe", "zoo", "-o", "json", **secret)
    assert json.loads(described.stdout)["token"] == "<<serving.token>>"
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in zoo.processes()]
    shown = [
        made.stderr,
        made.stdout,
        right.stderr,
        wrong.stderr,
        described.stdout,
        described.stderr,
        str(commands),
    ]
    assert not any(value in text for text in shown for value in ("T0ken-that", "an0ther"))


def test_a_log_is_followed_until_ctrl_c(served: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_CONFIG", str(served.project.config_path))
    assert "serving zoo:2" in mlx("deployment", "logs", "shared").stdout
    assert len(mlx("deployment", "logs", "shared", "-n", "1").stdout.splitlines()) == 1
    process = subprocess.Popen(
        [*MLX, "deployment", "logs", "shared", "-f", "-n", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    log = served.service.log("shared")
    deadline = time.monotonic() + 60
    os.set_blocking(process.stdout.fileno(), False)
    seen = b""
    while b"hello" not in seen:  # it may not have begun to follow yet
        assert time.monotonic() < deadline
        with log.open("a") as file:
            file.write("hello\n")
        time.sleep(0.1)
        seen += process.stdout.read() or b""
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_predict_reads_text_files_and_standard_input(served: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_CONFIG", str(served.project.config_path))
    Path("rows.json").write_text('[{"a": 1, "b": 2}, {"a": 3, "b": 4}]')
    Path("rows.csv").write_text("a,b\n1,2\n3,4\n")
    Path("other.csv").write_text("x\n1\n")
    Path("rows.txt").write_text("a,b\n1,2\n")
    for words, stdin, said in (
        (["-d", '{"a": 1, "b": 2}'], "", "[5.0]\n"),
        (["-d", "@rows.json"], "", "[5.0, 9.0]\n"),
        (["-d", "@rows.csv"], "", "[5.0, 9.0]\n"),
        (["-d", "@rows.csv", "-o", "table"], "", "5.0\n9.0\n"),
        (["-d", "@rows.csv", "-o", "yaml"], "", "- 5.0\n- 9.0\n"),
        (["-d", "@rows.txt", "--format", "csv"], "", "[5.0]\n"),
        (["-d", "-"], "[[1, 2]]", "[5.0]\n"),
        (["-d", "-", "--format", "csv"], "a,b\n1,2\n", "[5.0]\n"),
        (["-d", "@/dev/stdin"], "[[1, 2]]", "[5.0]\n"),
    ):
        done = mlx("model", "predict", "shared", *words, stdin=stdin)
        assert (done.returncode, done.stdout) == (0, said), (words, done.stderr)
    Path("big.json").write_text("[[" + "1.0," * 13_000_000 + "1.0]]")  # 50 MB
    for words, code, said in (
        (["shared", "-d", "@other.csv"], 1, "Model is missing inputs ['a', 'b']"),
        (["shared", "-d", "@other.csv"], 1, "it expects a (double), b (double)"),
        (["shared", "-d", "@none.json"], 3, "no file none.json"),
        (["shared", "-d", "rows.json"], 2, "a file is written @rows.json"),
        (["shared", "-d", "-"], 2, "standard input is empty"),
        (["shared", "-d", "[1]", "--format", "xml"], 2, "json or csv"),
        (["sharde", "-d", "[1]"], 3, "did you mean 'shared'"),
        (["tensor", "-d", "@big.json"], 1, "takes 1000B at most"),
    ):
        done = mlx("model", "predict", *words)
        assert (done.returncode, done.stdout) == (code, ""), (words, done.stderr)
        assert said in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr
    piped = mlx("model", "predict", "tensor", "-d", "@/dev/stdin", stdin=b"[" + b"1," * 1000 + b"1]")
    assert "/dev/stdin holds more than 1000B" in piped.stderr
    too_much = mlx("model", "predict", "tensor", "-d", "-", stdin=b"[" + b"1," * 1000 + b"1]")
    assert "standard input holds more than 1000B" in too_much.stderr
    as_json = mlx("model", "predict", "sharde", "-d", "[1]", "-o", "json")
    assert json.loads(as_json.stderr)["exit_code"] == 3


def test_ctrl_c_during_an_update_leaves_the_old_one_serving(zoo: Zoo) -> None:
    assert mlx("model", "deploy", "zoo:1", "--name", "d").returncode == 0
    before = (zoo.deployments / "d" / "deployment.json").read_bytes()
    process = subprocess.Popen(
        [*MLX, "deployment", "update", "d", "--model", "zoo:2"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while not process.stderr.readline().startswith("starting zoo:2 beside"):
        assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert (zoo.deployments / "d" / "deployment.json").read_bytes() == before
    assert [path.name[:2] for path in (zoo.deployments / "d" / "models").iterdir()] == ["1-"]
    assert mlx("model", "predict", "d", "--data", "[[0, 0]]").stdout == "[1.0]\n"
    assert listed()[0]["state"] == "running"
    assert mlx("deployment", "update", "d", "--model", "zoo:2").returncode == 0
    assert mlx("model", "predict", "d", "--data", "[[0, 0]]").stdout == "[2.0]\n"


def test_what_is_no_number_in_an_answer_is_text_as_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    from mlxkit.commands.model_serving import _print
    from mlxkit.commands.terminal import Format

    _print([float("nan"), {"low": float("-inf")}, 1.5], Format.json)
    _print([float("nan")], Format.table)
    assert capsys.readouterr().out == '["nan", {"low": "-inf"}, 1.5]\nnan\n'
