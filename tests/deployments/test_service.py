"""Deployments of real models, served by real servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from contextlib import closing
from dataclasses import replace

import pytest

from mlxkit.deployments import addresses, following
from mlxkit.deployments.records import DeploymentRecord
from mlxkit.errors import AlreadyExistsError, CredentialsError, InUseError, MissingDependencyError, MlxError
from tests.deployments.zoo import BROKEN, LACKING, Zoo


def nothing_is_left(zoo: Zoo, name: str) -> bool:
    return not (zoo.deployments / name).exists() and zoo.leftovers() == []


def wait_for_state(zoo: Zoo, name: str, state: str) -> DeploymentRecord:
    deadline = time.monotonic() + 30
    while (found := zoo.service.get(name)).state != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_a_deployment_lives_from_deploy_to_delete(zoo: Zoo) -> None:
    made = zoo.service.deploy("zoo:1")
    assert (made.name, made.model, made.version, made.state) == ("zoo", "zoo", 1, "running")
    assert zoo.service.predict("zoo", b"[[1, 10]]") == {"predictions": [12.0]}

    with pytest.raises(AlreadyExistsError) as taken:
        zoo.service.deploy("zoo:2")
    assert taken.value.hint == "mlx deployment update zoo --model REF"

    assert made.pid is not None
    os.kill(made.pid, signal.SIGKILL)
    gone = wait_for_state(zoo, "zoo", "failed")
    assert str(made.pid) in gone.reason
    with pytest.raises(MlxError) as refused:
        zoo.service.predict("zoo", b"[[1, 10]]")
    assert refused.value.hint == "mlx deployment start zoo"

    again = zoo.service.start("zoo")
    assert (again.state, again.port) == ("running", made.port)
    assert zoo.service.start("zoo").notes == ("zoo is running already",)
    assert zoo.service.predict("zoo", b"[[1, 10]]") == {"predictions": [12.0]}

    assert zoo.service.stop("zoo").state == "stopped"
    assert zoo.service.stop("zoo").notes == ("zoo was stopped already",)
    zoo.service.delete("zoo")
    assert nothing_is_left(zoo, "zoo")
    assert zoo.service.list() == []


def test_a_port_that_was_given_gives_way_and_one_that_was_chosen_does_not(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_LETS_GO_WITHIN", 0.1)
    zoo.service.deploy("zoo:1", "any")
    zoo.service.stop("any")
    entry = zoo.service.store.get("any")
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", entry.served_port))
        other.listen()
        zoo.service.store.write(replace(entry, port=entry.served_port))
        with pytest.raises(MlxError, match=f"port {entry.served_port} of deployment 'any' is taken"):
            zoo.service.start("any")
        with pytest.raises(MlxError, match=f"port {entry.served_port} is taken"):
            zoo.service.deploy("zoo:1", "second", port=entry.served_port)
        assert nothing_is_left(zoo, "second")

        zoo.service.store.write(entry)
        moved = zoo.service.start("any")
        assert moved.port != entry.served_port
        assert moved.notes == (
            f"port {entry.served_port} is taken by another program: it is {moved.url} now",
        )
    assert zoo.service.store.get("any").served_port == moved.port


def test_a_model_that_fails_its_load_leaves_nothing(zoo: Zoo) -> None:
    with pytest.raises(MlxError, match="the weights are broken") as failed:
        zoo.service.deploy(f"zoo:{BROKEN}")
    assert nothing_is_left(zoo, "zoo")
    assert str(zoo.deployments) not in (failed.value.hint or "")


def test_missing_packages_are_named_before_anything_starts(zoo: Zoo) -> None:
    with pytest.raises(MissingDependencyError, match="no-such-thing-of-ours") as missing:
        zoo.service.deploy(f"zoo:{LACKING}")
    assert "--ignore-requirements" in (missing.value.hint or "")
    assert nothing_is_left(zoo, "zoo")


def test_a_token_is_resolved_before_anything_starts_and_stored_as_a_reference(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CredentialsError, match="no secret named 'serving'"):
        zoo.service.deploy("zoo:1", token="<<serving.token>>")
    assert nothing_is_left(zoo, "zoo")

    monkeypatch.setenv("MLX_SECRET_SERVING__TOKEN", "T0ken-of-the-server")
    made = zoo.service.deploy("zoo:1", token="<<serving.token>>")
    assert made.token == "<<serving.token>>"
    assert zoo.service.predict("zoo", b"[[1, 1]]") == {"predictions": [3.0]}
    written = b"".join(path.read_bytes() for path in (zoo.deployments / "zoo").rglob("*") if path.is_file())
    assert b"T0ken-of-the-server" not in written

    monkeypatch.setenv("MLX_SECRET_SERVING__TOKEN", "another-one-by-now")
    with pytest.raises(CredentialsError, match=r"refused the token <<serving\.token>>") as refused:
        zoo.service.predict("zoo", b"[[1, 1]]")
    assert "mlx deployment start zoo" in (refused.value.hint or "")
    assert "another-one-by-now" not in refused.value.message


def test_two_deploys_of_one_name_make_one_and_of_two_names_two_ports(zoo: Zoo) -> None:
    made: list[DeploymentRecord] = []
    failed: list[MlxError] = []

    def deploy(name: str) -> None:
        try:
            made.append(zoo.service.deploy("zoo:1", name))
        except MlxError as error:
            failed.append(error)

    threads = [threading.Thread(target=deploy, args=(name,)) for name in ("one", "one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record.name for record in made) == ["one", "two"]
    assert len({record.port for record in made}) == 2
    assert [type(error) for error in failed] in ([AlreadyExistsError], [InUseError])


def test_what_a_killed_command_left_is_in_nobodys_way(zoo: Zoo) -> None:
    half = zoo.deployments / "zoo" / "models" / "1-half"
    half.mkdir(parents=True)
    (half / "MLmodel").write_text("half of it")
    assert zoo.service.list() == []
    assert zoo.service.deploy("zoo:1").state == "running"
    assert not half.exists()


def test_without_waiting_it_is_starting_and_gets_ready(zoo: Zoo) -> None:
    made = zoo.service.deploy("zoo:1", wait=False)
    assert made.state == "starting"
    assert made.port
    assert wait_for_state(zoo, "zoo", "running").port == made.port


def test_an_alias_that_moves_on_is_shown(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo.registry.set_alias("zoo", "production", 1)
    made = zoo.service.deploy("zoo@production", "follower", wait=False)
    assert (made.version, made.reference) == (1, "zoo@production")
    [same] = zoo.service.list()
    assert (same.follows, same.alias_now) == ("current", None)

    zoo.registry.set_alias("zoo", "production", 2)
    [moved] = zoo.service.list()
    assert (moved.follows, moved.alias_now, moved.version) == ("moved", 2, 1)
    assert zoo.service.describe("follower").alias_now == 2

    zoo.registry.set_alias("zoo", "production", None)
    assert [record.follows for record in zoo.service.list()] == ["gone"]

    (zoo.folder / "mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  far: {flavor: mlflow, tracking_uri: http://127.0.0.1:9}\n"
        "stacks:\n  default: {experiment_tracker: far}\n"
    )
    [unknown] = zoo.service.list()
    assert (unknown.follows, unknown.state, unknown.reason) == ("unknown", unknown.state, "")

    zoo.service.store.write(replace(zoo.service.store.get("follower"), reference="zoo:1"))

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("a pinned version asks no registry")

    monkeypatch.setattr(following, "open_registry", asked)
    assert [record.follows for record in zoo.service.list()] == [""]


def test_a_registry_that_says_nothing_is_waited_for_two_seconds_at_most(zoo: Zoo) -> None:
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = zoo.service.store
        zoo.service.deploy("zoo", "newest", wait=False)
        (zoo.folder / "mlx.yaml").write_text(
            "version: 1\nexperiment_trackers:\n  far: {flavor: mlflow, tracking_uri: "
            f"'http://127.0.0.1:{silent.getsockname()[1]}'}}\nstacks:\n  default: {{experiment_tracker: far}}\n"
        )
        start = time.monotonic()
        assert [record.follows for record in zoo.service.list()] == ["unknown"]
        assert 1.9 < time.monotonic() - start < 8  # without the limit it is 15
    assert store.names() == ["newest"]


def test_a_broken_file_is_listed_with_its_reason_and_can_be_deleted(zoo: Zoo) -> None:
    zoo.service.deploy("zoo:1", "torn")
    (zoo.deployments / "torn" / "deployment.json").write_text('{"name"')
    [torn] = zoo.service.list()
    assert torn.state == "failed"
    assert "deployment.json is not JSON" in torn.reason
    assert torn.url, "its server still runs, and that is said"
    zoo.service.delete("torn")
    assert nothing_is_left(zoo, "torn")


def test_a_stack_that_is_gone_leaves_a_deployment_that_can_be_stopped(zoo: Zoo) -> None:
    zoo.service.deploy("zoo:1", "orphan")
    path = zoo.deployments / "orphan" / "deployment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "stack": "long-gone"}))
    assert zoo.service.list()[0].state == "running"
    assert zoo.service.stop("orphan").state == "stopped"


def test_files_that_were_lost_are_an_error_in_words(zoo: Zoo) -> None:
    import shutil

    zoo.service.deploy("zoo:1", "lost")
    zoo.service.stop("lost")
    shutil.rmtree(zoo.service.store.get("lost").model_dir)
    with pytest.raises(MlxError, match="the files of zoo:1 are gone") as lost:
        zoo.service.start("lost")
    assert "mlx deployment delete lost" in (lost.value.hint or "")
