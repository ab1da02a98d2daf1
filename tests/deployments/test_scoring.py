"""One request: what is refused before it is sent, and what the server's refusals mean."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlxkit.deployments.payload import CSV, JSON, from_bytes, from_file
from mlxkit.deployments.records import DeploymentRecord
from mlxkit.deployments.scoring import send
from mlxkit.deployments.signature import Signature
from mlxkit.errors import MlxError, UnreachableError
from tests.deployments.zoo import Zoo


@pytest.mark.parametrize(
    ("text", "content_type", "predictions"),
    [
        ("[[1, 2], [3, 4]]", JSON, [5.0, 9.0]),
        ('{"a": 1, "b": 2}', JSON, [5.0]),
        ('[{"b": 2, "a": 1}]', JSON, [5.0]),
        ('{"inputs": {"a": [1.0], "b": [2.0]}}', JSON, [5.0]),
        ('{"dataframe_split": {"columns": ["b", "a"], "data": [[2, 1]]}}', JSON, [5.0]),
        ("a,b\n1,2\n3,4\n", CSV, [5.0, 9.0]),
    ],
)
def test_every_form_of_rows_is_answered(
    served: Zoo, text: str, content_type: str, predictions: list[float]
) -> None:
    assert served.service.predict("shared", text.encode(), content_type) == {"predictions": predictions}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1}', r"Model is missing inputs \['b'\]"),
        ('{"a": "x", "b": 1}', "could not convert string to float"),
        ("[1, 2, 3]", "expects a"),
        ("[[1, 2, 3]]", "expects a"),
    ],
)
def test_a_wrong_schema_names_what_is_expected_and_why(served: Zoo, text: str, reason: str) -> None:
    with pytest.raises(MlxError, match=reason) as refused:
        served.service.predict("shared", text.encode())
    message = refused.value.message
    assert message.startswith("model zoo:2 does not take this: ")
    assert message.endswith("; it expects a (double), b (double)")
    assert "\n" not in message
    assert "Traceback" not in message
    assert len(message) < 500


def test_a_tensor_says_its_shape(served: Zoo) -> None:
    assert served.service.predict("tensor", b"[[1, 2, 3]]") == {"predictions": [11.0]}
    with pytest.raises(MlxError, match=r"it expects tensor of float64 \[-1, 3\]"):
        served.service.predict("tensor", b"[[1, 2]]")


def test_too_much_is_refused_before_it_is_sent_with_both_sizes(served: Zoo) -> None:
    with pytest.raises(
        MlxError, match=r"the data is 1\.2KB, and deployment 'tensor' takes 1000B at most"
    ) as refused:
        served.service.predict("tensor", b"[[1, 2, 3.%s]]" % (b"0" * 1200))
    assert "mlx deployment update tensor --max-body 1MB" in (refused.value.hint or "")


def test_fifty_megabytes_go_through_when_the_deployment_takes_them(served: Zoo, tmp_path: Path) -> None:
    row = '{"a": 1.000000000000000000000, "b": 2.0000000000000000000000}'
    count = 50 * 1024 * 1024 // (len(row) + 1)
    (tmp_path / "rows.json").write_text("[" + ",".join([row] * count) + "]")
    answer = served.service.send(
        "shared", lambda signature: from_file(tmp_path / "rows.json", JSON, signature), timeout=120
    )
    assert answer["predictions"] == [5.0] * count


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers as it is told, without waiting for the end of what it is sent."""

    status, body, reads = 200, b"{}", True

    def do_POST(self) -> None:
        if self.reads:
            self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def answering(status: int, body: bytes, *, reads: bool = True) -> Iterator[DeploymentRecord]:
    """A server that is none of ours, on a deployment's port."""
    handler = type("Told", (Answering,), {"status": status, "body": body, "reads": reads})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        port = server.server_address[1]
        try:
            yield DeploymentRecord(
                "d", "m", 1, "m:1", state="running", url=f"http://127.0.0.1:{port}", host="127.0.0.1", port=port, max_body=1000
            )  # fmt: skip
        finally:
            server.shutdown()
            thread.join()


def sent(deployment: DeploymentRecord, data: bytes = b"[1]", timeout: float = 10) -> Any:
    return send(deployment, from_bytes(data, JSON, Signature(), what="x"), Signature(), timeout=timeout)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b'{"message": "out of memory"}', "failed with status 500: out of memory"),
        (503, b"", "status 503"),
        (413, b"", "takes 1000B at most"),
        (400, b"<html>\n" + b"x" * 10_000, "does not take this: <html> xxx"),
        (400, b"[1]", "status 400"),
        (200, b"<html>", "is no model"),
        (404, json.dumps({"detail": "Not Found"}).encode(), "Not Found"),
    ],
)
def test_whatever_answers_is_turned_into_words(status: int, body: bytes, said: str) -> None:
    with answering(status, body) as deployment, pytest.raises(MlxError, match=said) as failed:
        sent(deployment)
    assert len(failed.value.message) < 600


def test_an_answer_that_comes_before_everything_was_sent_is_read() -> None:
    with (
        answering(413, b"", reads=False) as deployment,
        pytest.raises(MlxError, match=r"at most|does not answer"),
    ):
        sent(deployment, b"[" + b"1," * 3_000_000 + b"1]")


def test_the_reason_is_found_behind_the_data_that_the_server_quotes() -> None:
    quoted = (
        "Failed to predict data '"
        + "1.0 " * 100_000
        + "'. \nError: Failed to enforce schema. Error: no column b"
    )
    with answering(400, json.dumps({"message": quoted}).encode()) as deployment:
        with pytest.raises(MlxError, match=r"m:1 does not take this: no column b$"):
            sent(deployment)


def test_nobody_there_and_nobody_answering_are_told_apart() -> None:
    import socket
    from contextlib import closing
    from dataclasses import replace

    with answering(200, b"{}") as deployment:
        pass
    with pytest.raises(UnreachableError) as refused:
        sent(deployment)
    assert refused.value.hint == "mlx deployment logs d"
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(MlxError, match=r"did not answer within 0\.3 s"):
            sent(replace(deployment, port=silent.getsockname()[1]), timeout=0.3)
