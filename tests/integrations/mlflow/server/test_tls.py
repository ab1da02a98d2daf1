"""TLS: a certificate that only its own client trusts, made here or given."""

from __future__ import annotations

import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from mlxkit.errors import ConfigError, ExitCode, UsageError
from mlxkit.integrations.mlflow.connection import connect
from mlxkit.integrations.mlflow.flavor import validate_tracker
from mlxkit.integrations.mlflow.server.tls import parse_tls
from mlxkit.integrations.mlflow.transport import tls_context
from mlxkit.secrets.certificates import is_self_signed, make_self_signed
from mlxkit.stacks.attributes import InvalidAttributeError
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.loopback import self_signed
from tests.fixtures.mlflow_server import free_port

from .conftest import Place


def test_a_server_with_a_certificate_of_its_own_is_trusted_by_its_tracker_and_by_nobody_else(
    place: Place,
) -> None:
    port = free_port()
    done = place.mlx("tracker", "deploy", "safe", "-x", "tls=self-signed", "-x", f"port={port}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"https://127.0.0.1:{port}\n"
    attributes = place.json("tracker", "describe", "safe")["attributes"]
    assert attributes["tracking_server_cert"] == ".mlx/servers/safe/cert.pem"
    assert attributes["tracking_password"] == "<<safe_admin.password>>"
    key = place.server("safe") / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    place.mlx("stack", "register", "s", "-e", "safe", "--set")
    logged = place.mlx("run", "own.py", "--no-cache")  # MLflow's own client, with an artifact
    assert logged.returncode == 0, logged.stderr
    assert list((place.server("safe") / "artifacts").rglob("hello.txt"))
    other = self_signed(place.folder)
    assert place.mlx("tracker", "update", "safe", f"--tracking_server_cert={other}").returncode == 0
    refused = place.mlx("tracker", "test", "safe")
    assert refused.returncode == ExitCode.failed
    assert "is not trusted" in refused.stderr
    place.mlx("tracker", "update", "safe", "--remove", "tracking_server_cert")
    assert "is not trusted" in place.mlx("tracker", "test", "safe").stderr
    # Neither does the tracker go on without TLS, nor is the server left after it was deleted.
    place.mlx("tracker", "stop", "safe")
    place.mlx("stack", "delete", "s", "--yes")
    deleted = place.mlx("tracker", "delete", "safe", "--yes", "--force")
    assert deleted.returncode == 0, deleted.stderr
    assert f"stays in {place.server('safe')}" in deleted.stderr
    assert "mlx secret delete safe_admin" in deleted.stderr
    assert (place.server("safe") / "mlflow.db").exists()


def test_a_made_certificate_names_every_host_and_no_other(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_self_signed(certificate, key, ["localhost", "10.1.2.3", "::1", "team.example"])
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert is_self_signed(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate)
    [found] = context.get_ca_certs() or [ssl._ssl._test_decode_cert(str(certificate))]  # type: ignore[attr-defined]
    names = {value for _, value in found["subjectAltName"]}
    assert names == {"localhost", "10.1.2.3", "0:0:0:0:0:0:0:1", "team.example"}
    assert b"PRIVATE" not in certificate.read_bytes()


@pytest.mark.parametrize("given", ["self", "a.pem", "a.pem,", "missing.pem,missing.pem"])
def test_what_is_no_certificate_with_its_key_is_refused(given: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="-x tls"):
        parse_tls(given, tmp_path)


def test_given_files_are_taken_where_they_are_and_have_to_belong_together(tmp_path: Path) -> None:
    both = self_signed(tmp_path)
    found = parse_tls(f"{both},{both}", tmp_path / "server")
    assert found is not None
    assert (found.certificate, found.key, found.is_made, found.is_trusted) == (both, both, False, True)
    make_self_signed(tmp_path / "c", tmp_path / "k", ["localhost"])
    with pytest.raises(UsageError, match="no certificate with its plain private key"):
        parse_tls(f"{both},{tmp_path / 'k'}", tmp_path)


def test_a_key_that_asks_for_a_password_is_refused_without_asking(tmp_path: Path) -> None:
    both = self_signed(tmp_path)
    locked = tmp_path / "locked.pem"
    done = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", str(both), "-out", str(locked), "-passout", "pass:x"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(UsageError, match="plain private key"):
        parse_tls(f"{both},{locked}", tmp_path)


def test_only_the_tracker_s_certificate_is_trusted_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "cert.pem"
    make_self_signed(certificate, tmp_path / "key.pem", ["localhost"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(self_signed(tmp_path)))
        context = tls_context(False, certificate)
    assert context.cert_store_stats()["x509"] == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(ConfigError, match=r"tracking_server_cert is set to .* does not exist"):
        tls_context(False, tmp_path / "nothing.pem")


def test_a_relative_path_is_meant_from_the_project(tmp_path: Path) -> None:
    attributes = {"tracking_uri": "https://h", "tracking_server_cert": "certs/c.pem"}
    to = connect(ResolvedComponent("experiment_tracker", "t", "mlflow", attributes), tmp_path / ".mlx")
    assert to.server_cert == tmp_path / "certs" / "c.pem"


@pytest.mark.parametrize(
    "attributes",
    [
        {"tracking_server_cert": "c.pem"},
        {"tracking_server_cert": "c.pem", "tracking_uri": "http://127.0.0.1:5000"},
        {"tracking_server_cert": "c.pem", "tracking_uri": "https://127.0.0.1", "tracking_insecure_tls": True},
    ],
)
def test_a_certificate_where_none_is_looked_at_is_refused(attributes: dict[str, object]) -> None:
    with pytest.raises(InvalidAttributeError, match="tracking_server_cert"):
        validate_tracker("t", attributes, anonymous=False)
