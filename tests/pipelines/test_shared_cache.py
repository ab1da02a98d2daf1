"""The cache that a team shares: who has the same store gets the hit, and believes nothing that cannot be checked."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.config.paths import Project
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
from mlxkit.pipelines.shared_cache import SharedCache, shared_cache
from mlxkit.pipelines.shared_entry import (
    CacheEntry,
    UnbelievableEntryError,
    entry_name,
    read_entry,
    write_entry,
)
from mlxkit.pipelines.whereabouts import who
from mlxkit.runs.history import History
from mlxkit.runs.records import OutputRecord, StepRecord
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.checkouts import Checkout

FILE = """
from typing import Annotated
import numpy as np
from mlxkit import log_metadata, pipeline, step

@step
def load(n: int) -> tuple[Annotated[list, "few"], Annotated[np.ndarray, "many"]]:
    log_metadata({"rows": n})
    return [1, 2, n], np.arange(5000.0)

@step
def total(few: list, many: np.ndarray) -> float:
    return sum(few) + float(many.sum())

@pipeline
def main(n: int = 3) -> None:
    print("total", total(*load(n)))
"""
ODD = """
from mlxkit import pipeline, step

class Odd:
    def __init__(self, x):
        self.x, self.f = x, open

@step
def fit() -> Odd:
    return Odd(7)

@step
def score(model: Odd) -> int:
    return model.x + {more}

@pipeline
def main() -> None:
    score(fit())
"""


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "lake" / "entries").rglob("*") if path.is_file())


def statuses(steps: dict[str, Any]) -> list[str]:
    return [step["status"] for step in steps.values()]


def rewritten(path: Path, **changes: Any) -> None:
    """Change an entry and make it whole again, as somebody would who can write to the store."""
    entry = read_entry(path.read_bytes(), path.name)
    path.write_bytes(write_entry(CacheEntry(**{**entry.__dict__, **changes})))


def test_another_checkout_with_an_empty_state_folder_gets_every_step(
    checkout: Callable[..., Checkout], home: Path
) -> None:
    ada, bob = checkout("ada", FILE), checkout("bob", FILE)
    mine, theirs = ada.steps(), bob.steps()
    assert statuses(mine) == ["completed", "completed"]
    assert statuses(theirs) == ["cached", "cached"]
    for name, step in theirs.items():
        digests = [
            {key: item["digest"] for key, item in found["outputs"].items()} for found in (step, mine[name])
        ]
        assert digests[0] == digests[1] and step["cache_key"] == mine[name]["cache_key"]
        assert step["reason"] == f"shared cache: same as in run {mine[name]['run_id']} of {who()}"
        assert step["cached_from"] == mine[name]["id"]
    assert theirs["load"]["metadata"]["rows"] == 3
    assert (
        bob.mlx("artifact", "get", "total::output").stdout
        == ada.mlx("artifact", "get", "total::output").stdout
    )
    # What was served once is in this history: the store need not be asked again.
    for path in entries(home):
        path.unlink()
    assert [step["reason"][:11] for step in bob.steps().values()] == ["same as in "] * 2


def test_a_value_that_was_served_can_be_loaded_and_passed_on(checkout: Callable[..., Checkout]) -> None:
    ada, bob = checkout("ada", FILE), checkout("bob", FILE.replace("sum(few)", "2 * sum(few)"))
    ada.steps()
    found = bob.steps()
    assert statuses(found) == ["cached", "completed"]
    assert json.loads(bob.mlx("artifact", "get", "total::output").stdout) == 12 + 4999 * 2500


def test_a_dry_run_knows_the_shared_cache_and_other_parameters_are_other_steps(
    checkout: Callable[..., Checkout],
) -> None:
    ada, bob = checkout("ada", FILE), checkout("bob", FILE)
    ada.steps()
    plan = json.loads(bob.mlx("run", "p.py", "--dry-run", "-o", "json").stdout)
    assert [item["action"] for item in plan] == ["cached", "cached"]
    assert statuses(bob.steps("-p", "n=4")) == ["completed", "completed"]
    assert statuses(ada.steps("-p", "n=4")) == ["cached", "cached"]


def test_a_store_inside_of_the_state_folder_has_no_shared_cache(
    checkout: Callable[..., Checkout], home: Path
) -> None:
    alone = checkout("ada", FILE, config="version: 1\nstacks:\n  plain: {}\n")
    alone.steps()
    assert not list(home.rglob("entries"))
    default = ResolvedComponent("artifact_store", "default", "local", {})
    assert shared_cache(LocalArtifactStore(default, alone.folder / ".mlx")) is None


def test_an_entry_holds_no_secret_and_no_folder_of_this_machine(
    checkout: Callable[..., Checkout], home: Path, mlx_process: list[str]
) -> None:
    secret = "Kp7-very-secret-word"
    ada = checkout(
        "ada",
        """
        import os
        from mlxkit import Client, log_metadata, pipeline, step

        @step
        def noted() -> int:
            log_metadata({"seen": "it is " + Client().secrets.value("db", "password"), "file": os.path.abspath(__file__)})
            return 1

        @step
        def given() -> str:
            return "the value is " + Client().secrets.value("db", "password")

        @step
        def parameter(text: str) -> int:
            return len(text)

        @pipeline
        def main() -> None:
            noted(), given(), parameter(Client().secrets.value("db", "password"))
        """,
    )
    ran = subprocess.run(
        [*mlx_process, "run", "p.py"], cwd=ada.folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "MLX_SECRET_DB__PASSWORD": secret},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "step 'given' is not in the shared cache: what it gave holds a secret" in ran.stderr
    told = [json.loads(path.read_bytes()) for path in entries(home)]
    assert sorted(entry["step"] for entry in told) == ["noted", "parameter"]
    text = json.dumps(told)
    assert secret not in text and str(home) not in text
    metadata = next(entry["metadata"] for entry in told if entry["step"] == "noted")
    assert metadata == {"seen": "it is ***", "file": "./p.py"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in entries(home))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "it is damaged"),
        (lambda path: path.write_bytes(b"[1]"), "it is no cache entry"),
        (lambda path: path.write_bytes(b"\xff\x00"), "it is damaged"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"n": 3', b'"n": 4').replace(b"few", b"fex")), "it was changed"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":9')), "format is version 9"),
        (lambda path: rewritten(path, parts={"step": "0" * 64}), "its parts do not make its key"),
        (lambda path: rewritten(path, key="0" * 64), "it is the entry of another key"),
        (lambda path: rewritten(path, by="ada\x1b[31m@laptop"), "it is damaged"),
        (lambda path: rewritten(path, metadata={"model_metadata": 3}), "it is damaged"),
        (lambda path: rewritten(path, outputs=(OutputRecord("few", "0" * 64, "json", "list", 1, inline=b"1"),)), "is not what its digest says"),
        (lambda path: rewritten(path, outputs=(OutputRecord("few", "0" * 64, "npy", "x", 1, uri="11/1111"),)), "does not lie where its digest says"),
    ],
    ids=["cut", "json", "bytes", "changed", "newer", "parts", "key", "steering", "shape", "inline", "uri"],
)  # fmt: skip
def test_an_entry_that_is_not_what_it_should_be_is_a_miss_with_a_reason_and_is_healed(
    damage: Callable[[Path], object], reason: str, checkout: Callable[..., Checkout], home: Path
) -> None:
    ada, bob = checkout("ada", FILE), checkout("bob", FILE)
    key = ada.steps()["load"]["cache_key"]
    path = home / "lake/entries" / entry_name(key)
    before = json.loads(path.read_bytes())
    damage(path)
    found = bob.steps()
    assert found["load"]["status"] == "completed"
    assert (
        "the shared entry is not believed: " in found["load"]["reason"] and reason in found["load"]["reason"]
    )
    assert found["total"]["status"] == "cached"
    if reason == "format is version 9":  # a newer version of mlx can read it
        assert json.loads(path.read_bytes())["version"] == 9
    else:
        assert read_entry(path.read_bytes(), key).outputs[0].digest == before["outputs"][0]["digest"]


def test_an_entry_whose_content_is_gone_or_cut_is_a_miss(
    checkout: Callable[..., Checkout], home: Path
) -> None:
    ada, bob, cleo = checkout("ada", FILE), checkout("bob", FILE), checkout("cleo", FILE)
    made = ada.steps()["load"]["outputs"]["many"]
    content = home / "lake" / made["uri"]
    content.unlink()
    found = bob.steps()["load"]
    assert found["status"] == "completed"
    assert found["reason"] == "output 'many' of the shared entry is gone from the artifact store"
    content.write_bytes(b"short")
    assert cleo.steps()["load"]["status"] == "completed"


class Broken(LocalArtifactStore):
    """A store whose entries cannot be asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(component(folder / "lake"), folder / ".mlx")
        self.asked = 0

    def get_entry(self, name: str) -> bytes | None:
        return self.put_entry(name, b"")

    def put_entry(self, name: str, content: bytes) -> bytes:
        self.asked += 1
        raise PermissionError(13, "Permission denied")


def component(lake: Path) -> ResolvedComponent:
    return ResolvedComponent("artifact_store", "lake", "local", {"path": str(lake)})


def test_a_store_that_does_not_answer_is_given_up_and_told_of_once(tmp_path: Path) -> None:
    said: list[str] = []
    cache = SharedCache(Broken(tmp_path))
    assert "Permission denied" in cache.look("0" * 64)[1]
    assert cache.look("1" * 64) == (None, "")
    for _ in range(2):
        cache.publish(step_record(), say=said.append)
    assert cache.store.asked == 1 and len(said) == 1 and "what this run makes is not shared" in said[0]  # type: ignore[attr-defined]
    cache, said = SharedCache(Broken(tmp_path)), []
    for _ in range(2):
        cache.publish(step_record(), say=said.append)
    assert cache.store.asked == 1 and len(said) == 1 and "cannot be written" in said[0]  # type: ignore[attr-defined]


def step_record(**changes: Any) -> StepRecord:
    from mlxkit.pipelines.fingerprint import cache_key

    parts = {"step": "a" * 64}
    fields = {
        "id": "s1", "run_id": "r1", "name": "fit", "position": 0, "status": "completed", "started": 1.0, "ended": 2.0,
        "cache_key": cache_key(parts), "parts": parts,
    }  # fmt: skip
    return StepRecord(**{**fields, **changes})


def test_a_step_that_failed_or_has_no_json_to_tell_is_not_published(tmp_path: Path) -> None:
    store = LocalArtifactStore(component(tmp_path / "lake"), tmp_path / ".mlx")
    cache = shared_cache(store)
    assert cache is not None and shared_cache(store) is cache
    said: list[str] = []
    cache.publish(step_record(status="failed"), say=said.append)
    cache.publish(step_record(cache_key=""), say=said.append)
    cache.publish(step_record(metadata={"long": "x" * (5 << 20)}), say=said.append)
    assert list(store.entries("cache/")) == [] and len(said) == 1 and "too large" in said[0]
    cache.publish(step_record(metadata={"loss": float("nan"), "at": Path("x")}), say=said.append)
    found = cache.find(step_record().cache_key)
    assert found is not None and found.record.metadata == {"loss": "nan", "at": "x"}


def test_two_processes_that_publish_at_once_agree(
    checkout: Callable[..., Checkout], home: Path, mlx_process: list[str]
) -> None:
    text = """
    import os, time
    from pathlib import Path
    from mlxkit import pipeline, step

    @step
    def chance() -> str:
        wait = Path.cwd().parent / "go"
        Path("ready").touch()
        deadline = time.monotonic() + 60
        while not wait.exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        return os.urandom(8).hex()

    @pipeline
    def main() -> None:
        chance()
    """
    made = [checkout(name, text) for name in ("ada", "bob")]
    running = [
        subprocess.Popen([*mlx_process, "run", "p.py"], cwd=one.folder, stderr=subprocess.PIPE, text=True)
        for one in made
    ]
    try:
        while not all((one.folder / "ready").exists() for one in made):
            assert all(process.poll() is None for process in running)
            time.sleep(0.01)
        (home / "go").touch()
        said = [process.communicate(timeout=60)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    digests = [one.described()["steps"][0]["outputs"]["output"]["digest"] for one in made]
    assert digests[0] != digests[1], "each run keeps its own"
    (path,) = entries(home)
    kept = read_entry(path.read_bytes(), path.name)
    first = digests.index(kept.outputs[0].digest)
    assert "is not deterministic" in said[1 - first] and "is not deterministic" not in said[first]
    third = checkout("cleo", text)
    assert third.steps()["chance"]["outputs"]["output"]["digest"] == kept.outputs[0].digest


def test_a_step_that_gives_something_else_each_time_says_so_and_the_first_entry_stays(
    checkout: Callable[..., Checkout], home: Path
) -> None:
    text = "import os\nfrom mlxkit import pipeline, step\n@step\ndef chance() -> str:\n    return os.urandom(8).hex()\n"
    ada = checkout("ada", text + "@pipeline\ndef main() -> None:\n    chance()\n")
    first = ada.steps()["chance"]["outputs"]["output"]["digest"]
    again = ada.mlx("run", "p.py", "--no-cache")
    assert "step 'chance' is not deterministic" in again.stderr
    assert ada.described()["steps"][0]["outputs"]["output"]["digest"] != first
    (path,) = entries(home)
    assert read_entry(path.read_bytes(), path.name).outputs[0].digest == first


def test_a_pickle_of_somebody_else_is_served_and_not_opened_until_the_store_is_trusted(
    checkout: Callable[..., Checkout], home: Path
) -> None:
    ada, bob = checkout("ada", ODD.format(more=0)), checkout("bob", ODD.format(more=0))
    run = ada.steps()["fit"]["run_id"]
    assert statuses(bob.steps()) == ["cached", "cached"]  # nothing is opened
    bob.write("p.py", ODD.format(more=1))
    refused = bob.mlx("run", "p.py")
    assert refused.code != 0
    for words in ("a pickle", who(), run, "mlx artifact-store update lake --trust_code=true", "--no-cache"):
        assert words in refused.stderr, words
    described = bob.described()["steps"]
    assert [step["status"] for step in described] == ["cached", "failed"]
    assert described[0]["outputs"]["output"]["summary"]["written_by"] == {"by": who(), "run": run}
    opened = bob.mlx("artifact", "get", "fit::output", "--unpickle")
    assert opened.code != 0 and who() in opened.stderr
    assert bob.mlx("artifact-store", "update", "lake", "--trust_code=true").code == 0
    assert statuses(bob.steps()) == ["cached", "completed"]


def test_running_the_step_again_makes_the_pickle_ones_own(checkout: Callable[..., Checkout]) -> None:
    ada, bob = checkout("ada", ODD.format(more=0)), checkout("bob", ODD.format(more=1))
    ada.steps()
    assert bob.mlx("run", "p.py").code != 0
    assert statuses(bob.steps("--no-cache")) == ["completed", "completed"]
    bob.write("p.py", ODD.format(more=2))
    assert statuses(bob.steps()) == ["cached", "completed"]
    ada.write("p.py", ODD.format(more=3))
    assert statuses(ada.steps()) == ["cached", "completed"]  # its own


def test_containers_with_pickles_and_custom_materializers_of_others_are_not_opened_either(
    checkout: Callable[..., Checkout],
) -> None:
    text = """
    from pathlib import Path
    from typing import Annotated
    import numpy as np
    from mlxkit import pipeline, step
    from mlxkit.artifacts.materializers.base import BaseMaterializer

    class Odd:
        def __init__(self):
            self.f = open

    class Own:
        pass

    class OwnMaterializer(BaseMaterializer):
        ASSOCIATED_TYPES = (Own,)

        def save(self, data):
            (Path(self.uri) / "x").write_text("x")

        def load(self, data_type):
            return Own()

    @step
    def make() -> tuple[Annotated[dict, "mixed"], Annotated[Own, "own"], Annotated[dict, "safe"]]:
        return {"a": np.arange(3), "b": Odd()}, Own(), {"a": np.arange(3)}

    @step
    def use(what) -> int:
        return NUMBER

    @pipeline
    def main(which: int = 0) -> None:
        use(make()[which])
    """
    ada, bob = checkout("ada", text.replace("NUMBER", "1")), checkout("bob", text.replace("NUMBER", "2"))
    ada.steps()
    for which, words in ((0, "it holds what is pickled"), (1, "materializer __main__/p:OwnMaterializer")):
        refused = bob.mlx("run", "p.py", "-p", f"which={which}")
        assert refused.code != 0 and words in refused.stderr, refused.stderr
    assert statuses(bob.steps("-p", "which=2")) == ["cached", "completed"]


def test_a_mark_that_a_user_gives_by_chance_keeps_nothing_from_being_loaded() -> None:
    from mlxkit.artifacts.trust import mark, unmarked

    assert unmarked({"written_by": "me", "rows": 3}) == {"written_by": "me", "rows": 3}
    assert unmarked(mark({"rows": 3}, "ada@laptop", "r1")) == {"rows": 3}


def test_pickles_of_another_python_are_not_served(checkout: Callable[..., Checkout], home: Path) -> None:
    ada, bob = checkout("ada", ODD.format(more=0)), checkout("bob", ODD.format(more=0))
    ada.steps()
    for path in entries(home):
        rewritten(path, python="2.7")
    found = bob.steps()["fit"]
    assert found["status"] == "completed" and "pickles of Python 2.7" in found["reason"]


TRACKED = """
import mlflow
from mlxkit import pipeline, step

@step(experiment_tracker=True)
def fit() -> int:
    mlflow.log_metric("loss", 0.5)
    return 1

@pipeline
def main() -> None:
    fit()
"""
CONFIG = """\
version: 1
default_stack: team
experiment_trackers:
  {tracker}
artifact_stores:
  lake: {{flavor: local, path: ../lake}}
stacks:
  team: {{experiment_tracker: {name}, artifact_store: lake}}
"""


def test_what_was_tracked_is_served_on_the_same_tracker_and_runs_again_on_another(
    checkout: Callable[..., Checkout], mlflow_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_S__USERNAME", mlflow_server.username)
    monkeypatch.setenv("MLX_SECRET_S__PASSWORD", mlflow_server.password)
    server = (
        f"{{flavor: mlflow, tracking_uri: {mlflow_server.uri}, experiment_name: shared-cache, "
        'tracking_username: "<<s.username>>", tracking_password: "<<s.password>>"}'
    )

    def on(name: str, tracker: str = "{flavor: mlflow}") -> str:
        return CONFIG.format(tracker=f"{name}: {tracker}", name=name)

    ada = checkout("ada", TRACKED, config=on("theirs", server))
    first = ada.steps()["fit"]
    assert first["status"] == "completed"
    bob = checkout("bob", TRACKED, config=on("same", server))  # by another name
    served = bob.steps()["fit"]
    assert served["status"] == "cached"
    assert served["metadata"]["mlflow_source_run_id"] == first["metadata"]["mlflow_run_id"]
    assert served["metadata"]["experiment_tracker"] == "same"
    assert bob.steps()["fit"]["reason"].startswith("same as in run")
    cleo = checkout("cleo", TRACKED, config=on("own"))
    ran = cleo.steps()["fit"]
    assert ran["status"] == "completed" and ran["reason"].startswith("it was tracked on http://127.0.0.1")
    assert mlflow_server.password not in ran["reason"]


def test_a_step_that_asks_for_no_tracker_is_served_without_the_link_to_that_of_another(
    checkout: Callable[..., Checkout],
) -> None:
    text = TRACKED.replace("(experiment_tracker=True)", "")
    ada = checkout("ada", text, config=CONFIG.format(tracker="own: {flavor: mlflow}", name="own"))
    assert "mlflow_run_id" in ada.steps()["fit"]["metadata"]  # it touched MLflow
    plain = CONFIG.format(tracker="own: {flavor: mlflow}", name="own").replace(
        "experiment_tracker: own, ", ""
    )
    served = checkout("bob", text, config=plain).steps()["fit"]
    assert served["status"] == "cached" and served["metadata"] == {}


def test_a_step_that_loaded_an_artifact_by_name_runs_where_that_name_stands_for_nothing(
    checkout: Callable[..., Checkout],
) -> None:
    text = """
    from mlxkit import load_artifact, pipeline, save_artifact, step

    @step
    def use() -> int:
        return load_artifact("base") + 1

    @pipeline
    def main() -> None:
        use()
    """
    ada, bob = checkout("ada", text), checkout("bob", text)
    save = "from mlxkit import save_artifact; save_artifact({}, 'base')"
    for one, value in ((ada, 1), (bob, 1)):
        one.write("save.py", save.format(value))
        assert one.mlx("run", "save.py").code == 0
    assert ada.steps()["use"]["status"] == "completed"
    assert bob.steps()["use"]["status"] == "cached"
    cleo = checkout("cleo", text)
    cleo.write("save.py", save.format(5))
    cleo.mlx("run", "save.py")
    ran = cleo.steps()["use"]
    assert ran["status"] == "completed" and "artifact 'base', which it loaded" in ran["reason"]


def test_an_entry_reads_back_as_it_was_written_and_is_canonical() -> None:
    output = OutputRecord(
        "o", "0" * 64, "npy", "numpy.ndarray", 9, uri=f"00/{'0' * 64}", summary={"shape": [3]}
    )
    record = step_record()
    entry = CacheEntry(
        key=record.cache_key, step="fit", pipeline="main", run="r", step_id="s", seconds=1.5, by="a@b", written=2.0,
        outputs=(output,), metadata={"b": 1, "a": [1, 2]}, parts=record.parts, tracked_on="",
    )  # fmt: skip
    content = write_entry(entry)
    assert read_entry(content, entry.key) == entry
    assert write_entry(read_entry(content, entry.key)) == content
    assert entry.step_record().outputs[0].summary == {"shape": [3], "written_by": {"by": "a@b", "run": "r"}}
    with pytest.raises(UnbelievableEntryError):
        read_entry(content, "1" * 64)


def test_stored_json_cannot_call_a_class_that_is_no_enum(tmp_path: Path) -> None:
    """JSON of others is loaded unasked: what it names must not be called."""
    from mlxkit.artifacts import plain
    from mlxkit.artifacts.errors import ArtifactUnreadableError

    mark = tmp_path / "ran"
    for text in (
        {"$": "enum", "c": "subprocess:Popen", "v": ["touch", str(mark)]},
        {"$": "namedtuple", "c": "subprocess:Popen", "v": ["touch", str(mark)]},
        {"$": "pydantic", "c": "subprocess:Popen", "v": {}},
    ):
        with pytest.raises(ArtifactUnreadableError, match="and it is none"):
            plain.loads(json.dumps(text))
    assert not mark.exists()


def test_the_history_of_a_served_step_is_read_like_any_other(checkout: Callable[..., Checkout]) -> None:
    ada, bob = checkout("ada", FILE), checkout("bob", FILE)
    ada.steps()
    bob.steps()
    for words in (
        ("runs", "graph", "latest"), ("runs", "logs", "latest"), ("artifact", "describe", "load::many"),
        ("artifact", "list", "--run", "latest"), ("runs", "list", "-o", "json"),
    ):  # fmt: skip
        assert bob.mlx(*words).code == 0, words
    history = History(Project(bob.folder / "mlx.yaml", bob.folder / ".mlx", "project").state_dir)
    assert history.find_cached(ada.described()["steps"][0]["cache_key"]) is not None
    history.close()


def lake(path: str, url: str) -> str:
    return (
        "version: 1\ndefault_stack: team\nartifact_stores:\n"
        f'  lake: {{flavor: s3, path: {path}, endpoint_url: "{url}", key: "<<s3.key>>", secret: "<<s3.secret>>"}}\n'
        "stacks:\n  team: {artifact_store: lake}\n"
    )


@pytest.fixture
def bucket(s3_server: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of its own, with credentials for it."""
    from tests.fixtures.s3_server import KEY, SECRET

    monkeypatch.setenv("MLX_SECRET_S3__KEY", KEY)
    monkeypatch.setenv("MLX_SECRET_S3__SECRET", SECRET)
    return str(s3_server.bucket())


def test_a_bucket_is_as_good_as_a_folder(
    checkout: Callable[..., Checkout], s3_server: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = lake(f"s3://{bucket}/team", s3_server.url)
    ada, bob = checkout("ada", FILE, config=config), checkout("bob", FILE, config=config)
    mine = ada.steps()
    monkeypatch.setenv("XDG_CACHE_HOME", str(bob.folder / "cache"))  # of another machine
    theirs = bob.steps()
    assert statuses(theirs) == ["cached", "cached"]
    assert [step["outputs"] for step in theirs.values()] != [] and all(
        theirs[name]["outputs"][key]["digest"] == output["digest"]
        for name, step in mine.items()
        for key, output in step["outputs"].items()
    )
    assert len(bob.mlx("cache", "list", "-o", "name").stdout.splitlines()) == 2
    assert bob.mlx("cache", "verify").code == 0
    key = next(key for key in s3_server.keys(bucket) if theirs["load"]["outputs"]["many"]["digest"] in key)
    s3_server.call("PUT", f"/{bucket}/{key}", b"x" * theirs["load"]["outputs"]["many"]["size"])
    broken = bob.mlx("cache", "verify", "-o", "json")
    assert broken.code == 1 and [item["output"] for item in json.loads(broken.stdout)] == ["many"]


def test_a_bucket_that_fails_costs_the_hit_and_not_the_run(
    checkout: Callable[..., Checkout], s3_server: Any, bucket: str
) -> None:
    from tests.fixtures.s3_server import before

    with before(s3_server.url) as proxy:
        text = lake(f"s3://{bucket}/team", proxy.url).replace("flavor: s3,", "flavor: s3, retries: 0,")
        ada = checkout(
            "ada",
            FILE.replace("np.arange(5000.0)", "np.arange(3.0)[0]")
            .replace("np.ndarray", "float")
            .replace("many.sum()", "many"),
            config=text,
        )
        proxy.failing, proxy.only = [500] * 1000, "/cache"
        ran = ada.mlx("run", "p.py")
        assert ran.code == 0, ran.stderr
        assert ran.stderr.count("what this run makes is not shared") == 1


def test_the_example_of_the_readme_comes_from_the_cache_in_another_checkout(
    home: Path, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fixtures.checkouts import Checkout

    made = []
    for name in ("ada", "bob"):
        (home / name).mkdir()
        one = Checkout(home / name, mlx, monkeypatch)
        assert one.mlx("init", "--example").code == 0
        assert one.mlx("artifact-store", "register", "lake", "--flavor=local", "--path=../lake").code == 0
        assert one.mlx("stack", "update", "local", "-a", "lake").code == 0
        made.append(one.steps(file="pipeline.py"))
    assert statuses(made[0]) == ["completed"] * 4 and statuses(made[1]) == ["cached"] * 4
    for name, step in made[0].items():
        assert made[1][name]["cache_key"] == step["cache_key"]
        assert {key: item["digest"] for key, item in made[1][name]["outputs"].items()} == {
            key: item["digest"] for key, item in step["outputs"].items()
        }
    assert (
        made[1]["train"]["metadata"]["mlflow_source_run_id"] == made[0]["train"]["metadata"]["mlflow_run_id"]
    )


def test_workers_publish_and_are_served_under_the_same_keys(checkout: Callable[..., Checkout]) -> None:
    ada, bob = checkout("ada", FILE), checkout("bob", FILE)
    mine = ada.steps("--workers", "2")
    assert statuses(mine) == ["completed", "completed"]
    theirs = bob.steps()
    assert statuses(theirs) == ["cached", "cached"]
    assert [step["cache_key"] for step in theirs.values()] == [step["cache_key"] for step in mine.values()]
    assert statuses(checkout("cleo", FILE).steps("--workers", "2")) == ["cached", "cached"]


SMALL = """
from mlxkit import Client, log_metadata, pipeline, step

@step
def few() -> list:
    return [1, 2]

@step
def told() -> str:
    return "it is " + Client().secrets.value("db", "password")

@pipeline
def main() -> None:
    few()
    told()
"""


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_what_ran_before_the_store_was_shared_or_was_cleared_is_told_when_it_is_served(
    workers: tuple[str, ...], checkout: Callable[..., Checkout], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = (checkout("bob", SMALL).folder / "mlx.yaml").read_text()
    monkeypatch.setenv("MLX_SECRET_DB__PASSWORD", "Kp7-very-secret-word")
    ada = checkout("ada", SMALL, config="version: 1\nstacks:\n  plain: {}\n")
    first = ada.steps(*workers)
    monkeypatch.setenv("MLX_SECRET_DB__PASSWORD", "another-word")  # no process knows what it was
    ada.write("mlx.yaml", shared)
    for _ in range(2):
        assert statuses(ada.steps(*workers)) == ["cached", "cached"]
        (path,) = entries(home)  # the value that is a secret is nobody's
        entry = read_entry(path.read_bytes(), path.name)
        assert (entry.step, entry.run, entry.step_id) == ("few", first["few"]["run_id"], first["few"]["id"])
        before = path.stat()
        assert statuses(ada.steps(*workers)) == ["cached", "cached"]
        assert path.stat() == before
        cleared = ada.mlx("cache", "clear", "--yes")
        assert cleared.code == 0 and entries(home) == []
    ada.steps(*workers)
    assert checkout("cleo", SMALL).steps()["few"]["status"] == "cached"


def test_what_others_gave_is_not_told_of_as_ones_own(checkout: Callable[..., Checkout], home: Path) -> None:
    ada, bob = checkout("ada", FILE), checkout("bob", FILE)
    ada.steps()
    bob.steps()
    for path in entries(home):
        path.unlink()
    assert statuses(bob.steps()) == ["cached", "cached"] and entries(home) == []


@pytest.mark.parametrize("odd", ["folder", "pipe", "loop"])
def test_an_odd_entry_is_a_miss_for_its_key_alone(
    odd: str, checkout: Callable[..., Checkout], home: Path
) -> None:
    ada, bob, cleo = checkout("ada", FILE), checkout("bob", FILE), checkout("cleo", FILE)
    path = home / "lake/entries" / entry_name(ada.steps()["load"]["cache_key"])
    path.unlink()
    make: dict[str, Callable[[], object]] = {
        "folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "loop": lambda: path.symlink_to(path),
    }  # fmt: skip
    make[odd]()
    found = bob.steps()
    assert statuses(found) == ["completed", "cached"]
    assert "the shared entry cannot be read: " in found["load"]["reason"]
    listed = json.loads(bob.mlx("cache", "list", "-o", "json").stdout)
    assert len(listed) == (1 if odd == "folder" else 2)
    if odd != "folder":
        assert bob.mlx("cache", "verify", "--repair").code == 1
        assert statuses(bob.steps()) == ["cached", "cached"] and statuses(cleo.steps()) == [
            "cached",
            "cached",
        ]


def test_a_service_that_fails_is_given_up_after_fewer_attempts_than_content_has(
    checkout: Callable[..., Checkout], s3_server: Any, bucket: str
) -> None:
    from tests.fixtures.s3_server import before

    with before(s3_server.url) as proxy:
        ada = checkout(
            "ada", SMALL.replace("    told()\n", ""), config=lake(f"s3://{bucket}/team", proxy.url)
        )
        proxy.failing, proxy.only = [503] * 1000, "/cache"
        ran = ada.mlx("run", "p.py")
        assert ran.code == 0 and ran.stderr.count("what this run makes is not shared") == 1, ran.stderr
        assert len([line for line in proxy.requests if "/cache" in line]) == 2


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_what_a_bucket_serves_of_ones_own_is_told_of_too(
    workers: tuple[str, ...], checkout: Callable[..., Checkout], s3_server: Any, bucket: str
) -> None:
    config = lake(f"s3://{bucket}/team", s3_server.url)
    ada, bob = checkout("ada", FILE, config=config), checkout("bob", FILE, config=config)
    ada.steps()
    assert ada.mlx("cache", "clear", "--yes").code == 0
    assert statuses(ada.steps(*workers)) == ["cached", "cached"]
    assert len(json.loads(ada.mlx("cache", "list", "-o", "json").stdout)) == 2
    assert statuses(bob.steps()) == ["cached", "cached"]
