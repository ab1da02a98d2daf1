"""Whether MLflow answers: every way it may not is found in time and has its own words."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import CredentialsError, MlxError, UnreachableError
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.loopback import http_server, listening, self_signed, tls_in_front_of
from tests.fixtures.mlflow_server import MlflowServer, free_port

from .conftest import Setting, server_attributes


def tracker(uri: str, **attributes: Any) -> MlflowTracker:
    return MlflowTracker(
        ResolvedComponent("experiment_tracker", "team", "mlflow", {"tracking_uri": uri, **attributes}),
        Path.cwd(),
    )


def refusal(uri: str, kind: type[MlxError], **attributes: Any) -> str:
    with pytest.raises(kind) as caught:
        tracker(uri, **attributes).preflight()
    assert caught.value.message.startswith("tracker 'team': ")
    return caught.value.message


def test_a_server_with_right_credentials_passes(server: Setting) -> None:
    server.tracker.preflight()


def test_the_local_store_needs_no_server(local: Setting) -> None:
    local.tracker.preflight()


def test_nothing_listens() -> None:
    assert "nothing listens at http://127.0.0.1:" in refusal(
        f"http://127.0.0.1:{free_port()}", UnreachableError
    )


def test_there_is_no_such_host() -> None:
    assert refusal("http://no-such-host.invalid:5000", UnreachableError).endswith(
        "there is no host named 'no-such-host.invalid'"
    )


def test_a_server_that_accepts_and_never_answers_is_given_up() -> None:
    with listening(lambda connection: time.sleep(3600)) as port:
        assert refusal(f"http://127.0.0.1:{port}", UnreachableError).endswith("does not answer within 2 s")


def test_a_server_that_trickles_is_given_up() -> None:
    sent: list[bytes] = []

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b" ")
            sent.append(b" ")
            time.sleep(0.1)

    with listening(trickle) as port:
        assert refusal(f"http://127.0.0.1:{port}", UnreachableError).endswith("does not answer within 2 s")
        assert len(sent) < 100


def test_a_server_that_hangs_up_is_not_mlflow() -> None:
    with listening(lambda connection: connection.recv(10) and None) as port:
        assert "closes the connection instead of answering" in refusal(
            f"http://127.0.0.1:{port}", UnreachableError
        )


@pytest.mark.parametrize(
    "answer",
    [
        (200, "text/html", b"<html>Welcome to nginx</html>"),
        (404, "text/html", b"not found"),
        (200, "application/json", b"{}"),
        (200, "application/json", b"[1, 2]"),
        (302, "text/html", b""),
        (501, "text/html", b"Unsupported method ('POST')"),
    ],
)
def test_another_web_server_is_not_mlflow(answer: tuple[int, str, bytes]) -> None:
    with http_server(lambda request, body: answer) as uri:
        assert refusal(uri, UnreachableError).endswith(f"what answers at {uri} is not MLflow")


def test_a_server_that_fails_is_told_apart_from_one_that_is_not_mlflow() -> None:
    with http_server(lambda request, body: (503, "text/html", b"maintenance")) as uri:
        assert refusal(uri, UnreachableError).endswith("answers with an error (503)")


def test_a_wrong_password_is_refused_and_not_told(mlflow_server: MlflowServer) -> None:
    wrong = {**server_attributes(mlflow_server), "tracking_password": SecretValue("WRONG-PASSWORD")}
    with pytest.raises(CredentialsError) as caught:
        tracker(mlflow_server.uri, **wrong).preflight()
    assert caught.value.message.endswith("refused the user name or password")
    assert "WRONG-PASSWORD" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"


def test_missing_credentials_are_asked_for(mlflow_server: MlflowServer) -> None:
    assert refusal(mlflow_server.uri, CredentialsError).endswith(
        "asks for credentials, and the tracker has none"
    )


def test_a_token_for_a_server_with_basic_authentication_is_explained(mlflow_server: MlflowServer) -> None:
    assert "takes a user name and a password" in refusal(
        mlflow_server.uri, CredentialsError, tracking_token=SecretValue("some-token")
    )


def test_a_server_that_refuses_the_host_name_is_explained() -> None:
    told = b"Invalid Host header - possible DNS rebinding attack detected"
    with http_server(lambda request, body: (403, "text/plain", told)) as uri:
        assert "does not answer for the host named '127.0.0.1'" in refusal(uri, UnreachableError)


def test_a_self_signed_certificate_is_not_trusted_unless_said_so(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path)
    credentials = {
        key: value for key, value in server_attributes(mlflow_server).items() if key != "tracking_uri"
    }
    with tls_in_front_of(int(mlflow_server.uri.rpartition(":")[2]), certificate) as uri:
        assert "is not trusted: self-signed certificate" in refusal(uri, UnreachableError, **credentials)
        tracker(uri, tracking_insecure_tls=True, **credentials).preflight()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
            tracker(uri, **credentials).preflight()
        plain = uri.replace("https:", "http:")
        assert "speaks https only" in refusal(plain, UnreachableError)
    tls_on_a_plain_port = mlflow_server.uri.replace("http:", "https:")
    assert "does not speak TLS" in refusal(tls_on_a_plain_port, UnreachableError)


def test_a_proxy_is_used_for_another_machine_and_never_for_this_one(server: Setting) -> None:
    asked: list[str] = []

    def answer(request: Any, body: bytes) -> tuple[int, str, bytes]:
        asked.append(f"{request.command} {request.path} {request.headers['Proxy-Authorization']}")
        return 200, "application/json", b'{"experiments": []}'

    with http_server(answer) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", proxy.replace("http://", "http://me:pw@"))
        server.tracker.preflight()
        assert asked == []
        tracker("http://mlflow.example.com:5000/base").preflight()
    assert asked == [
        "POST http://mlflow.example.com:5000/base/api/2.0/mlflow/experiments/search Basic bWU6cHc="
    ]


def test_a_database_that_nothing_listens_for_is_found_before_the_run() -> None:
    uri = f"postgresql://me:S3CR3T-pw@127.0.0.1:{free_port()}/mlflow"
    message = refusal(uri, UnreachableError)
    assert "nothing listens at postgresql://127.0.0.1:" in message
    assert "S3CR3T-pw" not in message


def test_check_tells_version_and_whether_credentials_matter(
    server: Setting, local: Setting, mlflow_server: MlflowServer
) -> None:
    import mlflow

    found = server.tracker.check()
    assert (found.scenario, found.tracking_uri, found.version) == (
        "server",
        mlflow_server.uri,
        mlflow.__version__,
    )
    assert found.credentials == "accepted"
    here = local.tracker.check()
    assert (here.scenario, here.version, here.credentials) == ("local", mlflow.__version__, "none needed")
    assert here.tracking_uri == f"sqlite:///{local.state_dir / 'mlflow' / 'mlflow.db'}"


def test_check_says_when_a_server_takes_anybody() -> None:
    def answer(request: Any, body: bytes) -> tuple[int, str, bytes]:
        return (
            (200, "text/plain", b"3.9.9")
            if request.path == "/version"
            else (200, "application/json", b'{"experiments": []}')
        )

    with http_server(answer) as uri:
        found = tracker(uri, tracking_token=SecretValue("some-token")).check()
        assert (found.version, found.credentials) == ("3.9.9", "not needed")
        assert tracker(uri).check().credentials == "none needed"


def test_the_check_does_not_import_mlflow(mlflow_server: MlflowServer) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from mlxkit.integrations.mlflow.tracker import MlflowTracker\n"
        "from mlxkit.secrets.value import SecretValue\n"
        "from mlxkit.stacks.resolve import ResolvedComponent\n"
        "uri, user, password = sys.stdin.read().split()\n"
        "given = {'tracking_uri': uri, 'tracking_username': SecretValue(user), 'tracking_password': SecretValue(password)}\n"
        "MlflowTracker(ResolvedComponent('experiment_tracker', 't', 'mlflow', given), Path('.')).preflight()\n"
        "MlflowTracker(ResolvedComponent('experiment_tracker', 't', 'mlflow', {}), Path('.')).preflight()\n"
        "print(sorted({'mlflow', 'requests', 'sqlalchemy'} & set(sys.modules)))\n"
    )
    given = f"{mlflow_server.uri} {mlflow_server.username} {mlflow_server.password}"
    done = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
