"""What is asked of a server: read, checked and turned into arguments and an environment."""

from __future__ import annotations

import configparser
import socket
from pathlib import Path

import pytest

from mlxkit.errors import MissingDependencyError, MlxError, UnreachableError, UsageError
from mlxkit.integrations.mlflow.server import places, planning
from mlxkit.integrations.mlflow.server.entry import ServerEntry, read_entry
from mlxkit.integrations.mlflow.server.environment import (
    auth_file,
    launch_environment,
    server_arguments,
    server_environment,
)
from mlxkit.integrations.mlflow.server.options import check_options
from mlxkit.integrations.mlflow.server.planning import held, plan_local, secret_name
from mlxkit.integrations.mlflow.server.store import ServerStore
from mlxkit.secrets.names import is_name
from mlxkit.secrets.service import SecretService
from tests.fixtures.mlflow_server import free_port

POSTGRESQL = "postgresql://<<pg.user>>:<<pg.password|url>>@127.0.0.1:{port}/mlflow"


@pytest.fixture
def pg(store: ServerStore) -> None:
    """A secret with the credentials of a database."""
    SecretService().create("pg", {"user": "ada", "password": "p@ss/w%rd"})


def test_mlflow_bucket_is_another_word_for_artifacts() -> None:
    assert check_options("local", {"mlflow-bucket": "gs://b"}) == {"artifacts": "gs://b"}
    with pytest.raises(UsageError, match="mean the same"):
        check_options("local", {"mlflow_bucket": "gs://b", "artifacts": "/x"})


@pytest.mark.parametrize(
    ("provider", "options", "words"),
    [
        ("local", {"prot": "1"}, "did you mean 'port'?"),
        ("docker", {"tls": "self-signed"}, "there are allowed_hosts, artifacts, folder"),
        ("local", {"port": " "}, "is empty"),
    ],
)
def test_an_option_that_there_is_not_is_refused_with_those_there_are(
    provider: str, options: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError) as raised:
        check_options(provider, options)  # type: ignore[arg-type]
    assert words.replace("\\", "") in raised.value.message


def test_without_options_it_is_on_loopback_with_everything_in_its_folder(store: ServerStore) -> None:
    plan = plan_local(store, "team", {})
    folder = Path.cwd() / ".mlx" / "servers" / "team"
    assert (plan.entry.host, plan.is_open, plan.tls) == ("127.0.0.1", False, None)
    assert plan.entry.backend == f"sqlite:///{folder / 'mlflow.db'}"
    assert plan.entry.artifacts == str(folder / "artifacts")
    assert plan.attributes["tracking_password"] == "<<team_admin.password>>"
    assert not folder.exists()


def test_a_port_that_is_taken_is_named_and_another_one_is_found_when_none_was_asked_for(
    store: ServerStore,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(MlxError, match=f"port {port} is taken"):
            held(store, plan_local(store, "team", {"port": str(port)})).__enter__()
    with held(store, plan_local(store, "team", {})) as plan:
        first = plan.entry
    folder = store.folder("team")
    folder.mkdir(parents=True)
    (folder / "tracker.json").write_bytes(first.dumped())
    with held(store, plan_local(store, "other", {})) as plan:
        assert plan.entry.port != first.port


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "0.0.0.0"}, "anybody can read them"),
        ({"host": "0.0.0.0", "insecure": "perhaps"}, "it is true or false"),
        ({"port": "http"}, "from 1 to 65535"),
        ({"port": "70000"}, "from 1 to 65535"),
        ({"artifacts": "gss://bucket"}, "did you mean 'gs'?"),
        ({"artifacts": "s3://key:secret@bucket"}, "holds credentials"),
        ({"backend": "postgres://h/db"}, "did you mean 'postgresql'?"),
        ({"backend": "postgresql://ada:plain@h/db"}, "credentials in plain text"),
        ({"backend": "sqlite://"}, "names no database file"),
        ({"artifacts": "/proc/x"}, "-x artifacts="),
        ({"artifacts": "/sys/x/y"}, "-x artifacts="),
        ({"artifacts": "/etc/passwd"}, "/etc/passwd is no folder"),
        ({"artifacts": "/etc/passwd/x"}, "/etc/passwd is no folder"),
        ({"artifacts": "s3://"}, "names no bucket"),
        ({"artifacts": "gs://b/x y"}, "blank"),
        ({"backend": "sqlite:////etc/passwd"}, "/etc/passwd is not a database"),
        ({"backend": "sqlite:////etc"}, "/etc is not a database"),
        ({"backend": "sqlite:////proc/x.db"}, "-x backend="),
        ({"insecure": "maybe"}, "it is true or false"),
        ({"allowed_hosts": "a b"}, "is no host name"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    store: ServerStore, options: dict[str, str], words: str
) -> None:
    with pytest.raises(MlxError) as raised:
        plan_local(store, "team", options)
    assert words in raised.value.message
    assert "plain@" not in raised.value.message
    assert not store.root.exists()


def test_beyond_loopback_it_needs_tls_or_a_word(store: ServerStore) -> None:
    plan = plan_local(store, "team", {"host": "0.0.0.0", "insecure": "true"})
    assert plan.is_open
    assert "without TLS" in plan.notes[0]
    assert plan.entry.url == f"http://127.0.0.1:{plan.entry.port}"
    assert plan_local(store, "team", {"host": "0.0.0.0", "tls": "self-signed"}).notes == ()


def test_without_the_auth_extra_the_command_to_install_it_is_told(
    store: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError) as raised:
        plan_local(store, "team", {})
    assert raised.value.hint == "pip install 'mlflow[auth]'"


def test_a_driver_and_a_store_s_library_that_are_missing_are_named(
    store: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_is_there", lambda module: False)
    for options, package in (
        ({"backend": POSTGRESQL.format(port=1)}, "psycopg2-binary"),
        ({"artifacts": "s3://bucket"}, "boto3"),
        ({"artifacts": "gs://bucket/path"}, "google-cloud-storage"),
    ):
        with pytest.raises(MissingDependencyError) as raised:
            plan_local(store, "team", options)
        assert raised.value.hint == f"pip install {package}"


def test_credentials_of_a_database_stay_references_until_the_process_is_told(
    store: ServerStore, pg: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_is_there", lambda module: module in ("psycopg2", "psycopg"))
    with socket.create_server(("127.0.0.1", 0)) as database:
        uri = POSTGRESQL.format(port=database.getsockname()[1])
        entry = plan_local(store, "team", {"backend": uri}).entry
    assert entry.backend == uri
    assert b"p@ss" not in entry.dumped()
    assert b"p%40ss" not in entry.dumped()
    told = {
        "secret_key": "k",
        "password": "w",
        "backend": str(places.with_driver(uri.replace("<<pg.user>>", "ada"))),
    }
    environment = server_environment(entry, store.folder("team"), told)
    assert environment["MLFLOW_BACKEND_STORE_URI"].startswith("postgresql+psycopg2://ada:")
    assert environment["MLFLOW_AUTH_ADMIN_PASSWORD"] == "w"
    assert "MLFLOW_AUTH_ADMIN_PASSWORD" not in server_environment(
        entry, store.folder("team"), {**told, "password": ""}
    )
    assert "postgresql" not in " ".join(server_arguments(entry))


def test_a_database_that_does_not_answer_is_said_at_once_and_without_its_password(
    store: ServerStore, pg: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_is_there", lambda module: True)
    with pytest.raises(UnreachableError, match="nothing listens") as raised:
        plan_local(store, "team", {"backend": POSTGRESQL.format(port=free_port())})
    assert "p@ss" not in raised.value.message
    with pytest.raises(MlxError, match="no secret named 'gp'"):
        plan_local(store, "team", {"backend": POSTGRESQL.format(port=1).replace("<<pg.", "<<gp.")})


def test_the_process_gets_one_worker_its_hosts_and_no_job_runner() -> None:
    entry = ServerEntry(
        "t",
        "192.168.7.7",
        5000,
        "sqlite:////x",
        "/a",
        "s",
        ("team.example",),
        certificate="/c d.pem",
        key="/k.pem",
    )
    arguments = server_arguments(entry)
    assert arguments[arguments.index("--workers") + 1] == "1"
    assert arguments[arguments.index("--app-name") + 1] == "basic-auth"
    assert "--ssl-certfile '/c d.pem' --ssl-keyfile /k.pem" in arguments[-1]
    environment = server_environment(entry, Path("/f"), {"backend": "b", "secret_key": "k"})
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    allowed = environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {"team.example", "team.example:*", "192.168.7.7:*", "localhost:*"} <= set(allowed)
    assert "*" not in allowed
    assert "https://team.example:5000" in environment["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")


def test_paths_are_absolute_and_links_in_them_stay(store: ServerStore) -> None:
    Path("there").mkdir()
    Path("link").symlink_to("there")
    entry = plan_local(store, "team", {"artifacts": "x/../link/a", "backend": "sqlite:///link/b.db"}).entry
    assert entry.artifacts == str(Path.cwd() / "link" / "a")
    assert entry.backend == f"sqlite:///{Path.cwd() / 'link' / 'b.db'}"


def test_on_every_address_it_answers_for_the_name_of_this_machine_and_not_for_any() -> None:
    entry = ServerEntry("t", "0.0.0.0", 5000, "sqlite:////x", "/a", "s")
    found = server_environment(entry, Path("/f"), {"backend": "b", "secret_key": "k"})[
        "MLFLOW_SERVER_ALLOWED_HOSTS"
    ]
    assert f"{socket.gethostname()}:*" in found.split(",")
    assert not {"*", "0.0.0.0", "0.0.0.0:*"} & set(found.split(","))


def test_the_process_is_started_without_what_opens_secrets_and_with_what_opens_a_bucket() -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "MLX_SECRET_A__B",
            "MLX_KEYRING_PASSWORD",
            "MLFLOW_TRACKING_PASSWORD",
            "DATABRICKS_TOKEN",
        ):
            patch.setenv(name, "no")
        patch.setenv("AWS_PROFILE", "team")
        patch.setenv("MLFLOW_S3_ENDPOINT_URL", "https://minio.example")
        found = launch_environment()
    assert "no" not in found.values()
    assert (found["AWS_PROFILE"], found["MLFLOW_S3_ENDPOINT_URL"]) == ("team", "https://minio.example")


def test_logins_are_remembered_and_a_percent_sign_survives_the_parser() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(auth_file("sqlite:////a%20b/auth.db"))
    assert parser["mlflow"]["database_uri"] == "sqlite:////a%20b/auth.db"
    assert int(parser["mlflow"]["auth_cache_ttl_seconds"]) > 0
    assert "admin_password" not in parser["mlflow"]


@pytest.mark.parametrize("name", ["team", "my.tracker", "a__b", "a-b_c", "x.", "n" * 100])
def test_every_tracker_s_secret_has_a_name_that_a_secret_may_have(name: str) -> None:
    assert is_name(secret_name(name))


def test_an_entry_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    entry = ServerEntry(
        "t", "::1", 5000, "sqlite:////x", "/a", "s", ("h",), "/c", "/k", "2026-01-01T00:00:00+00:00"
    )
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "tracker.json").write_bytes(entry.dumped())
    assert read_entry(folder) == entry
    assert entry.url == "https://[::1]:5000"
    with pytest.raises(FileNotFoundError):
        read_entry(tmp_path / "u")
