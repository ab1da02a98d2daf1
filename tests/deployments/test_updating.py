"""From one version to the next, without a failed request, or not at all."""

from __future__ import annotations

import http.client
import threading
import time

import pytest

from mlxkit.errors import MlxError, NotFoundError
from tests.deployments.zoo import BROKEN, LACKING, Zoo


def answers(zoo: Zoo, name: str = "d") -> float:
    return float(zoo.service.predict(name, b"[[0, 0]]")["predictions"][0])


def versions_on_disk(zoo: Zoo, name: str = "d") -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (zoo.deployments / name / "models").iterdir())


def test_requests_in_flight_during_an_update_are_all_answered(zoo: Zoo) -> None:
    zoo.registry.set_alias("zoo", "production", 1)
    made = zoo.service.deploy("zoo@production", "d", workers=2)
    statuses: list[int] = []
    seen: set[bytes] = set()
    is_over = threading.Event()

    def call() -> None:
        link = http.client.HTTPConnection("127.0.0.1", made.port or 0, timeout=30)
        while not is_over.is_set():
            link.request(
                "POST",
                "/invocations",
                b'{"dataframe_records": [{"a": 0, "b": 0}]}',
                {"Content-Type": "application/json"},
            )
            answer = link.getresponse()
            seen.add(answer.read())
            statuses.append(answer.status)
        link.close()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        zoo.registry.set_alias("zoo", "production", 2)
        after = zoo.service.update("d")
        deadline = (
            time.monotonic() + 20
        )  # connections that are open go over when their next request is answered
        while len(seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert (after.version, after.reference, after.port, after.state) == (
        2,
        "zoo@production",
        made.port,
        "running",
    )
    assert set(statuses) == {200}
    assert len(statuses) > 200
    assert seen == {b'{"predictions": [1.0]}', b'{"predictions": [2.0]}'}
    assert versions_on_disk(zoo) == ["2"]

    same = zoo.service.update("d")
    assert same.notes == ("nothing new: zoo@production is version 2, which is served",)
    assert same.pid == after.pid

    pinned = zoo.service.update("d", "zoo:2")
    assert (pinned.reference, pinned.pid) == ("zoo:2", after.pid)
    assert versions_on_disk(zoo) == ["2"]


def test_whatever_does_not_fit_leaves_the_old_one_serving(zoo: Zoo) -> None:
    zoo.service.deploy("zoo:1", "d")
    before = (zoo.deployments / "d" / "deployment.json").read_bytes()
    for reference, reason in (
        (f"zoo:{BROKEN}", "the weights are broken"),
        (f"zoo:{LACKING}", "no-such-thing-of-ours"),
        ("zoo:99", "no version '99'"),
        ("nothing", "no model 'nothing'"),
        ("zoo@nowhere", "nowhere"),
    ):
        with pytest.raises(MlxError, match=reason):
            zoo.service.update("d", reference)
        assert answers(zoo) == 1.0
        assert (zoo.deployments / "d" / "deployment.json").read_bytes() == before
        assert versions_on_disk(zoo) == ["1"]
    assert zoo.service.get("d").version == 1


def test_a_record_that_cannot_be_written_brings_the_old_one_back(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.service.deploy("zoo:1", "d")
    service = zoo.service

    def full(*_: object) -> None:
        raise MlxError("No space left on device")

    monkeypatch.setattr(service.store, "write", full)
    with pytest.raises(MlxError, match="No space left"):
        service.update("d", "zoo:2")
    monkeypatch.undo()
    assert answers(zoo) == 1.0
    assert versions_on_disk(zoo) == ["1"]


def test_one_that_is_stopped_is_updated_and_stays_stopped(zoo: Zoo) -> None:
    zoo.service.deploy("zoo:1", "d")
    zoo.service.stop("d")
    updated = zoo.service.update("d", "zoo:2", workers=2, max_body=500)
    assert (updated.version, updated.workers, updated.max_body, updated.state) == (2, 2, 500, "stopped")
    assert updated.notes == ("it is not running (stopped): mlx deployment start d serves zoo:2",)
    zoo.service.start("d")
    assert answers(zoo) == 2.0
    more = zoo.service.update("d", max_body=1000)
    assert (more.version, more.max_body, more.state) == (2, 1000, "running")
    assert answers(zoo) == 2.0


def test_an_unknown_deployment_is_not_found(zoo: Zoo) -> None:
    with pytest.raises(NotFoundError, match="no deployment named 'd'"):
        zoo.service.update("d", "zoo:1")
