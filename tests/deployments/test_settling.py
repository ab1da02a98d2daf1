"""What is served counts, where a command that was cut off has left another record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlxkit.deployments import making
from mlxkit.deployments.entries import DeploymentEntry
from mlxkit.deployments.settling import as_served, difference
from mlxkit.deployments.store import DeploymentStore
from mlxkit.errors import InUseError, MlxError
from mlxkit.models.lineage import Server
from mlxkit.models.service import ModelService
from mlxkit.models.serving import servers_of
from mlxkit.stacks.deployers import RefusedError, ServeSpec, Serving
from tests.deployments.zoo import Zoo

ENTRY = DeploymentEntry("d", "iris", 1, "iris:1", Path("/p/d"), "1-aa")
NOW = Serving("running", "iris:2", 7, model_dir="/p/d/models/2-bb", workers=3, max_body=99)


def test_the_record_becomes_what_is_served() -> None:
    served = as_served(ENTRY, NOW)
    assert (served.version, served.files, served.workers, served.max_body) == (2, "2-bb", 3, 99)
    assert served.reference == "iris:2"
    assert "its record says iris:1" in difference(ENTRY, NOW)
    assert as_served(replace(ENTRY, reference="iris@production"), NOW).reference == "iris@production"
    other = as_served(replace(ENTRY, reference="iris@production"), replace(NOW, model="rose:2"))
    assert (other.model, other.reference) == ("rose", "rose:2")


@pytest.mark.parametrize(
    "now", [replace(NOW, state="stopped", pid=None), replace(NOW, model=""), replace(NOW, state="starting")]
)
def test_where_nothing_is_served_the_record_counts(now: Serving) -> None:
    assert as_served(ENTRY, now) == ENTRY
    assert difference(ENTRY, now) == ""


def test_a_server_that_does_not_say_more_leaves_the_rest() -> None:
    assert as_served(ENTRY, Serving("running", "iris:1", 7)) == ENTRY


def test_a_command_that_may_still_write_its_record_is_not_said_to_be_cut_off() -> None:
    assert difference(ENTRY, replace(NOW, state="updating")) == ""


def test_an_update_whose_command_was_killed_is_found_out_and_undone(zoo: Zoo) -> None:
    zoo.service.deploy("zoo:1", "d")
    service = zoo.service
    entry = service.store.get("d")
    files = making.fetch(zoo.registry, zoo.registry.version("zoo", 2), entry.folder)
    asked = replace(entry, version=2, files=files, workers=2)
    service._deployer("").replace(making.spec_of(asked, None, port=0))  # and there it was killed

    [found] = zoo.service.list()
    assert (found.version, found.workers, found.state) == (2, 2, "running")
    assert "an update was cut off: its record says zoo:1" in found.reason
    assert service.entry("d").files == files
    assert servers_of(zoo.project, zoo.registry.version("zoo", 1)) == []
    assert servers_of(zoo.project, zoo.registry.version("zoo", 2)) == [Server("d", "running", found.url)]
    with pytest.raises(InUseError, match="is served by deployment d"):
        ModelService(zoo.project).plan_deletion("zoo:2")
    assert ModelService(zoo.project).plan_deletion("zoo:1").deployments == ()

    back = zoo.service.update("d", "zoo:1")
    assert (back.version, back.workers, back.reason) == (1, 2, "")
    assert zoo.service.predict("d", b"[[0, 0]]") == {"predictions": [1.0]}
    assert zoo.service.store.get("d").version == 1
    assert [path.name[:2] for path in (zoo.deployments / "d" / "models").iterdir()] == ["1-"]


class Answering:
    """A deployer whose server answers an update as the test says."""

    def __init__(self, error: BaseException | None, serving: Serving) -> None:
        self.error, self.now = error, serving
        self.asked: list[ServeSpec] = []

    def examine(self, model_dir: Path) -> list[str]:
        return []

    def start(self, spec: ServeSpec, *, wait: bool = True) -> Serving:
        raise AssertionError

    def replace(self, spec: ServeSpec) -> Serving:
        self.asked.append(spec)
        if self.error is not None:
            raise self.error
        return self.now

    def stop(self, folder: Path, *, within: float | None = None) -> None:
        self.within = within

    def serving(self, folder: Path) -> Serving:
        return self.now

    def log(self, folder: Path) -> Path:
        return folder / "log"


def recorded(store: DeploymentStore) -> DeploymentEntry:
    """A deployment of `zoo:1` on disk, with files that stand for it."""
    entry = DeploymentEntry("d", "zoo", 1, "zoo:1", store.new_folder("d"), "1-aa")
    entry.model_dir.mkdir()
    store.write(entry)
    return entry


RUNS = Serving("running", "zoo:1", 7, "127.0.0.1", 9, workers=1)


@pytest.mark.parametrize(
    ("error", "now", "left"),
    [
        (RefusedError("it does not load"), RUNS, ["1-"]),
        (MlxError("not taken over within 25 s"), RUNS, ["1-", "2-"]),
        (MlxError("it is gone"), replace(RUNS, state="failed", pid=None), ["1-"]),
    ],
)
def test_files_stay_for_as_long_as_the_server_may_load_them(
    zoo: Zoo, error: MlxError, now: Serving, left: list[str]
) -> None:
    service = zoo.service
    recorded(service.store)
    deployer = Answering(error, RUNS)
    service._deployers[""] = deployer

    def fails(spec: ServeSpec) -> Serving:
        deployer.now = now
        raise error

    deployer.replace = fails  # type: ignore[method-assign]
    with pytest.raises(MlxError, match=error.message):
        service.update("d", "zoo:2")
    assert sorted(path.name[:2] for path in (zoo.deployments / "d" / "models").iterdir()) == left
    assert service.store.get("d").version == 1


def test_numbers_change_without_the_registry_and_the_version_stays(zoo: Zoo) -> None:
    service = zoo.service
    entry = replace(recorded(service.store), reference="zoo@production")
    service.store.write(entry)
    service._deployers[""] = deployer = Answering(None, RUNS)
    zoo.registry.set_alias("zoo", "production", 2)
    (zoo.folder / "mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  far: {flavor: mlflow, tracking_uri: http://127.0.0.1:9}\n"
        "stacks:\n  default: {experiment_tracker: far}\n"
    )
    service.update("d", workers=3)
    service.update("d", max_body=1000)
    assert [(spec.model, spec.workers) for spec in deployer.asked] == [("zoo:1", 3), ("zoo:1", 1)]
    after = service.store.get("d")
    assert (after.version, after.reference, after.files, after.max_body) == (
        1,
        "zoo@production",
        "1-aa",
        1000,
    )
    service.update("d", "zoo:1", workers=2)
    assert service.store.get("d").reference == "zoo:1"
    with pytest.raises(MlxError):
        service.update("d", "zoo:2")


def test_nothing_is_new_only_when_what_is_served_is_what_is_wanted(zoo: Zoo) -> None:
    service = zoo.service
    entry = recorded(service.store)
    service._deployers[""] = deployer = Answering(None, replace(RUNS, workers=4, max_body=entry.max_body))
    service.update("d", "zoo:1", workers=1)
    assert [spec.workers for spec in deployer.asked] == [1], "the record says 1, and 4 are there"
    deployer.now = replace(RUNS, state="updating", workers=1, max_body=entry.max_body)
    service.update("d", "zoo:1")
    assert len(deployer.asked) == 2, "another version may be on its way"
    deployer.now = replace(deployer.now, state="running")
    assert "nothing new" in service.update("d", "zoo:1").notes[0]
    assert len(deployer.asked) == 2


def test_the_time_to_get_ready_is_changed_later_and_named_when_it_was_too_short(zoo: Zoo) -> None:
    service = zoo.service
    recorded(service.store)
    service._deployers[""] = deployer = Answering(None, RUNS)
    assert service.update("d", ready_within=90).notes == ("it has 90 s to get ready from now on",)
    assert (service.store.get("d").ready_within, deployer.asked) == (90, [])
    service.start("d", ready_within=0.1)
    assert service.store.get("d").ready_within == 0.1
    deployer.now = replace(RUNS, state="stopped", pid=None)

    def slow(spec: ServeSpec, *, wait: bool = True) -> Serving:
        import time

        time.sleep(spec.ready_within)
        raise MlxError("not ready", hint="see the log")

    deployer.start = slow  # type: ignore[method-assign]
    with pytest.raises(MlxError) as failed:
        service.start("d")
    assert failed.value.hint == "mlx deployment start d --timeout 0.2"


def test_stopping_in_python_waits_as_long_as_it_is_told(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlxkit.deployments.sdk import ModelServer

    service = zoo.service
    recorded(service.store)
    service._deployers[""] = deployer = Answering(None, RUNS)
    monkeypatch.setattr(ModelServer, "_service", service)
    server = ModelServer("d", "mlx.yaml")
    server.stop(timeout=3)
    assert deployer.within == 3
    server.start(timeout=7)
    assert service.store.get("d").ready_within == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [("ready_within", float("inf")), ("ready_within", float("nan")), ("workers", 100_000), ("workers", 0), ("max_body", 0)],
)  # fmt: skip
def test_numbers_that_no_server_can_have_are_refused(zoo: Zoo, key: str, value: float) -> None:
    with pytest.raises(MlxError, match="has to be from"):
        zoo.service.deploy("zoo:1", "d", **{key: value})  # type: ignore[arg-type]
    assert not (zoo.deployments / "d").exists()


def test_a_port_that_is_taken_is_said_before_anything_is_fetched(zoo: Zoo) -> None:
    from mlxkit.deployments.service import DeploymentService
    from mlxkit.stacks.listening import listen

    told: list[str] = []
    with listen("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        with pytest.raises(MlxError, match=f"port {port} is taken"):
            DeploymentService(zoo.project, waiting=told.append).deploy("zoo:1", "d", port=port)
    assert told == []
