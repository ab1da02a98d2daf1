"""Ways to log in at a real OpenBao: tokens, AppRole, Kubernetes and JWT."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import CredentialsError
from mlxkit.secrets.certificates import make_self_signed
from mlxkit.secrets.masking import mask_text
from mlxkit.secrets.stores.protocol import StoreUnusableError
from tests.fixtures.openbao import OpenBao

from .conftest import Write

CANARY = "S3CR3T-behind-a-login"


@pytest.fixture
def mount(openbao: OpenBao) -> str:
    mount = openbao.mount()
    openbao.put(mount, "db", {"password": CANARY})
    return mount


@pytest.fixture
def policy(openbao: OpenBao, mount: str) -> str:
    return openbao.policy(f'path "{mount}/*" {{ capabilities = ["read", "list"] }}')


def _body(openbao: OpenBao, mount: str, **more: str) -> dict[str, str]:
    return {"flavor": "vault", "address": openbao.address, "mount": mount, **more}


def test_the_token_of_the_tools_is_found_in_their_order(
    openbao: OpenBao, mount: str, policy: str, home: Path, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = project(team=_body(openbao, mount))
    with pytest.raises(StoreUnusableError, match="there is no token") as caught:
        secrets.reveal("db")
    assert "bao login" in str(caught.value.hint)
    (home / ".vault-token").write_text(openbao.token(policy) + "\n")
    assert project(team=_body(openbao, mount)).value("db", "password") == CANARY
    monkeypatch.setenv("VAULT_TOKEN", "s.wrong")
    with pytest.raises(StoreUnusableError, match="from VAULT_TOKEN"):
        project(team=_body(openbao, mount)).resolve({"x": "<<other.k>>"})
    monkeypatch.setenv("BAO_TOKEN", openbao.token(policy))
    assert project(team=_body(openbao, mount)).lookup("other") is None


def test_a_token_by_reference_is_of_this_machine_and_never_of_a_provider(
    openbao: OpenBao, mount: str, policy: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = project(team=_body(openbao, mount, token="<<bao.token>>"))
    with pytest.raises(CredentialsError, match="no secret named 'bao'") as caught:
        secrets.reveal("db")
    assert caught.value.hint == "mlx secret create bao --token"
    monkeypatch.setenv("MLX_SECRET_BAO__TOKEN", openbao.token(policy))
    assert secrets.value("db", "password") == CANARY


def test_the_hint_of_a_spent_token_by_reference_updates_that_secret(
    openbao: OpenBao, mount: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_BAO__TOKEN", "s.spent")
    with pytest.raises(StoreUnusableError) as caught:
        project(team=_body(openbao, mount, token="<<bao.token>>")).reveal("db")
    assert "mlx secret update bao --token" in str(caught.value.hint)
    assert "s.spent" not in caught.value.message + str(caught.value.hint)


@pytest.fixture
def approle(openbao: OpenBao, policy: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An AppRole whose tokens live for an hour; its credentials are in the environment."""
    login = openbao.login_method("approle")
    openbao.call("POST", f"auth/{login}/role/ci", {"token_policies": [policy], "token_ttl": "1h"})
    role_id = openbao.call("GET", f"auth/{login}/role/ci/role-id")["data"]["role_id"]
    secret_id = openbao.call("POST", f"auth/{login}/role/ci/secret-id")["data"]["secret_id"]
    monkeypatch.setenv("MLX_SECRET_CI__SECRET_ID", secret_id)
    return {"auth": "approle", "login_path": login, "role_id": role_id, "secret_id": "<<ci.secret_id>>"}


def test_an_approle_logs_in_and_again_when_its_token_is_over(
    openbao: OpenBao, mount: str, approle: dict[str, str], project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxkit.secrets.providers.chain._KEPT", 0)
    secrets = project(team=_body(openbao, mount, **approle))
    assert secrets.value("db", "password") == CANARY
    login = approle["login_path"]  # whose tokens end before their time, by our clock
    openbao.call("PUT", f"sys/leases/revoke-prefix/auth/{login}")
    assert secrets.value("db", "password") == CANARY
    monkeypatch.setattr("mlxkit.secrets.providers.kv2_login._SPENT", 0)  # its time is over at once
    secrets = project(team=_body(openbao, mount, **approle))
    assert [secrets.value("db", "password") for _ in range(2)] == [CANARY, CANARY]


def test_a_secret_id_that_is_refused_is_named_and_not_shown(
    openbao: OpenBao, mount: str, approle: dict[str, str], project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_CI__SECRET_ID", "wrong-secret-id")
    with pytest.raises(StoreUnusableError, match="refuses the login by approle") as caught:
        project(team=_body(openbao, mount, **approle)).reveal("db")
    assert "wrong-secret-id" not in caught.value.message + str(caught.value.hint)
    assert "secret-id" in str(caught.value.hint)
    assert mask_text("wrong-secret-id") == "***"


def test_a_login_method_that_is_none_is_named(
    openbao: OpenBao, mount: str, approle: dict[str, str], project: Write
) -> None:
    with pytest.raises(StoreUnusableError, match="auth/nowhere"):
        project(team=_body(openbao, mount, **{**approle, "login_path": "nowhere"})).reveal("db")


class TokenReviews(BaseHTTPRequestHandler):
    """The one question that OpenBao asks a Kubernetes API server: whose token is this?"""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["spec"]["token"] == self.server.known  # type: ignore[attr-defined]
        status: dict[str, Any] = {"authenticated": known}
        if known:
            name = "system:serviceaccount:ml:trainer"
            status["user"] = {"username": name, "uid": "u-1", "groups": ["system:serviceaccounts"]}
        answer = json.dumps(
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
        )
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_: object) -> None:
        return


def _signed(claims: dict[str, Any]) -> tuple[str, str]:
    """Return a JWT and the public key that proves it."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = rsa.generate_private_key(65537, 2048)
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"{text.decode()}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}", public.decode()


@pytest.fixture
def cluster() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), TokenReviews)
    server.known = ""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_pod_logs_in_with_its_service_account(
    openbao: OpenBao, mount: str, policy: str, cluster: Any, project: Write, tmp_path: Path
) -> None:
    claims = {
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:ml:trainer", "exp": int(time.time()) + 600,
        "nbf": int(time.time()) - 60, "iat": int(time.time()) - 60, "kubernetes.io/serviceaccount/namespace": "ml", "kubernetes.io/serviceaccount/service-account.name": "trainer",
        "kubernetes.io/serviceaccount/service-account.uid": "u-1", "kubernetes.io/serviceaccount/secret.name": "s",
    }  # fmt: skip
    cluster.known, _ = _signed(claims)
    login, authority = openbao.login_method("kubernetes"), tmp_path / "ca.pem"
    make_self_signed(authority, tmp_path / "key.pem", ["127.0.0.1"])
    config = {
        "kubernetes_host": f"http://127.0.0.1:{cluster.server_address[1]}",
        "token_reviewer_jwt": cluster.known, "disable_local_ca_jwt": True, "kubernetes_ca_cert": authority.read_text(),
    }  # fmt: skip
    openbao.call("POST", f"auth/{login}/config", config)
    role = {
        "bound_service_account_names": ["trainer"], "bound_service_account_namespaces": ["ml"], "token_policies": [policy],
    }  # fmt: skip
    openbao.call("POST", f"auth/{login}/role/train", role)
    token = tmp_path / "token"
    more = {"auth": "kubernetes", "role": "train", "login_path": login, "jwt_file": str(token)}
    with pytest.raises(StoreUnusableError, match="there is no token in"):
        project(team=_body(openbao, mount, **more)).reveal("db")
    token.write_text(cluster.known)
    assert project(team=_body(openbao, mount, **more)).value("db", "password") == CANARY
    assert mask_text(cluster.known) == "***"
    other, _ = _signed({**claims, "sub": "system:serviceaccount:ml:other"})
    token.write_text(other)
    with pytest.raises(StoreUnusableError, match="refuses the login by kubernetes"):
        project(team=_body(openbao, mount, **more)).resolve({"x": "<<none.k>>"})


def test_a_ci_job_logs_in_with_its_token(
    openbao: OpenBao, mount: str, policy: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())
    token, public = _signed({"sub": "job", "aud": "bao", "exp": now + 600, "iat": now, "nbf": now - 5})
    login = openbao.login_method("jwt")
    openbao.call("POST", f"auth/{login}/config", {"jwt_validation_pubkeys": [public]})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["bao"], "token_policies": [policy]}
    openbao.call("POST", f"auth/{login}/role/job", role)
    monkeypatch.setenv("MLX_SECRET_JOB__TOKEN", token)
    more = {"auth": "jwt", "role": "job", "login_path": login, "jwt": "<<job.token>>"}
    assert project(team=_body(openbao, mount, **more)).value("db", "password") == CANARY
    monkeypatch.setenv("MLX_SECRET_JOB__TOKEN", token[:-8] + "AAAAAAAA")
    with pytest.raises(StoreUnusableError, match="refuses the login by jwt") as caught:
        project(team=_body(openbao, mount, **more)).resolve({"x": "<<none.k>>"})
    assert token[:30] not in caught.value.message
