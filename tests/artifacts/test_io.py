"""Saving and loading values in a real store."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlxkit.artifacts.errors import (
    ArtifactMissingError,
    ArtifactStoreError,
    ArtifactUnreadableError,
    OutputTypeError,
    UnstorableOutputError,
)
from mlxkit.artifacts.io import load, save
from mlxkit.artifacts.records import INLINE_LIMIT, ArtifactRecord
from mlxkit.errors import StepFailedError
from mlxkit.integrations.local.artifact_store import LocalArtifactStore

Store = LocalArtifactStore


def path_of(store: Store, record: ArtifactRecord) -> Path:
    assert record.uri
    return store.root / record.uri


def spoil(path: Path) -> None:
    """Change one byte, leaving the size as it was."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_declared_type_that_was_not_returned_leaves_nothing_behind(store: Store, files_in: Any) -> None:
    with pytest.raises(OutputTypeError, match=r"declared int, got numpy.ndarray"):
        save(np.arange(3), declared=int, store=store)
    assert files_in() == []


@pytest.mark.parametrize(
    "value",
    [
        threading.Lock(), (x for x in ()), {"a": threading.Lock()}, [np.arange(3), threading.Lock()], {"data": np.arange(9), "rows": (x for x in ())},
        pd.DataFrame({"a": [threading.Lock()]}), np.array([threading.Lock()]),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_cannot_be_stored_is_named_and_leaves_nothing_behind(
    value: object, store: Store, files_in: Any
) -> None:
    with pytest.raises(UnstorableOutputError, match=r"cannot be stored: .*(lock|generator)"):
        save(value, store=store)
    assert files_in() == []
    assert list((store.root / "drafts").iterdir()) == []


def test_what_a_pickle_would_turn_into_something_else_is_refused(store: Store, tmp_path: Path) -> None:
    with (tmp_path / "f").open("w") as file:
        for value in (file, [file], memoryview(b"x"), {"a": np.arange(2), "f": file}):
            with pytest.raises(UnstorableOutputError, match=r"TextIOWrapper|memoryview"):
                save(value, store=store)


def test_an_unstorable_output_is_a_failure_of_the_step() -> None:
    assert issubclass(UnstorableOutputError, StepFailedError)
    assert issubclass(OutputTypeError, StepFailedError)


def test_a_secret_is_never_stored(store: Store) -> None:
    from mlxkit.secrets.value import SecretValue

    secret = SecretValue("hunter2-never-stored")
    with pytest.raises(UnstorableOutputError):
        save(secret, store=store)
    with pytest.raises(Exception, match=r"secret|pickle"):
        save({"token": secret}, store=store)
    with pytest.raises(Exception, match=r"secret|pickle"):
        save({"token": secret, "data": np.arange(3)}, store=store)
    assert all(
        b"hunter2-never-stored" not in path.read_bytes() for path in store.root.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("value", [{"a": [1, (2,)]}, "text", 0.5, None])
def test_small_plain_values_live_in_the_record(value: object, store: Store, files_in: Any) -> None:
    record = save(value, store=store)
    assert record.uri == "" and record.inline is not None and len(record.inline) == record.size
    assert files_in() == []
    assert load(record, store) == value
    assert "inline" not in record.to_dict()


@pytest.mark.parametrize("length", [INLINE_LIMIT, INLINE_LIMIT + 1])
def test_text_moves_to_the_store_when_it_is_longer_than_the_limit(
    length: int, store: Store, files_in: Any
) -> None:
    record = save("x" * length, store=store)
    assert (record.inline is None) == (length > INLINE_LIMIT) == bool(files_in())
    assert load(record, store) == "x" * length


def test_every_load_gives_a_value_of_its_own(store: Store) -> None:
    for value in ({"a": [1]}, {"a": ["x" * 5000]}, [object]):
        record = save(value, store=store)
        load(record, store).clear()
        assert load(record, store) == value


def test_equal_content_is_stored_once(store: Store, files_in: Any) -> None:
    first, second = save(np.arange(5), store=store), save(np.arange(5), store=store)
    assert first == second
    assert len(files_in()) == 1


def test_the_same_bytes_in_two_formats_are_two_values(store: Store) -> None:
    text, raw = save("a" * 5000, store=store), save(b"a" * 5000, store=store)
    assert text.digest != raw.digest
    assert load(text, store) == "a" * 5000 and load(raw, store) == b"a" * 5000


@pytest.mark.parametrize(
    "value", [np.arange(9), "t" * 5000, b"b", {"a": np.arange(3)}, [object()]], ids=lambda v: type(v).__name__
)
def test_content_that_is_gone_is_missing_not_a_crash(value: object, store: Store) -> None:
    record = save(value, store=store)
    assert store.exists(record)
    store.delete(record.uri)
    assert not store.exists(record)
    with pytest.raises(ArtifactMissingError):
        load(record, store)


@pytest.mark.parametrize("value", [np.arange(9), "t" * 5000, [object()]], ids=lambda v: type(v).__name__)
def test_content_that_was_cut_short_is_missing(value: object, store: Store) -> None:
    record = save(value, store=store)
    path = path_of(store, record)
    path.write_bytes(path.read_bytes()[:-1])
    assert not store.exists(record)
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(record, store)


@pytest.mark.parametrize(
    "value", [np.arange(9), "t" * 5000, b"bytes", [object()]], ids=lambda v: type(v).__name__
)
def test_small_content_that_was_changed_is_missing(value: object, store: Store) -> None:
    record = save(value, store=store)
    spoil(path_of(store, record))
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(record, store)


def test_saving_again_heals_damaged_content(store: Store) -> None:
    for value in (np.arange(9), {"a": np.arange(3)}):
        record = save(value, store=store)
        target = path_of(store, record)
        for path in [target] if target.is_file() else [item for item in target.rglob("*") if item.is_file()]:
            spoil(path)
        with pytest.raises(ArtifactMissingError):
            load(record, store)
        assert save(value, store=store) == record
        load(record, store)


def test_large_content_is_checked_on_request(store: Store) -> None:
    record = save(np.zeros(1_000_000), store=store)
    spoil(path_of(store, record))
    load(record, store)
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(record, store, verify=True)


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.marker),)


def test_a_pickle_that_is_not_what_history_recorded_is_not_unpickled(store: Store, tmp_path: Path) -> None:
    import pickle

    big = save([object(), "x" * 6_000_000], store=store)
    evil = pickle.dumps(Bomb(str(tmp_path / "owned")))
    path_of(store, big).write_bytes(evil + b"\0" * (big.size - len(evil)))
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(big, store)
    assert not (tmp_path / "owned").exists()


def test_a_pickle_inside_a_container_is_checked_too(store: Store, tmp_path: Path) -> None:
    import pickle

    record = save({"data": np.arange(3), "model": [object(), "x" * 100_000]}, store=store)
    objects = path_of(store, record) / "files" / "objects.pkl"
    evil = pickle.dumps([Bomb(str(tmp_path / "owned"))])
    objects.write_bytes(evil + b"\0" * (objects.stat().st_size - len(evil)))
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(record, store)
    assert not (tmp_path / "owned").exists()


def test_a_manifest_cannot_be_swapped_for_one_with_other_digests(store: Store, tmp_path: Path) -> None:
    import pickle

    honest = save({"data": np.arange(3), "model": object()}, store=store)
    evil = save({"data": np.arange(3), "model": Bomb(str(tmp_path / "owned"))}, store=store)
    for path in path_of(store, evil).rglob("*"):
        if path.is_file():
            (path_of(store, honest) / path.relative_to(path_of(store, evil))).write_bytes(path.read_bytes())
    assert pickle  # the second value is stored, and only its own record may load it
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(honest, store)
    assert not (tmp_path / "owned").exists()


def test_a_store_that_cannot_be_written_is_one_clear_error(store: Store) -> None:
    store.root.parent.mkdir(parents=True, exist_ok=True)
    store.root.write_text("a file where the folder should be")
    with pytest.raises(ArtifactStoreError, match="cannot write to artifact store"):
        save(np.arange(3), store=store)


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from mlxkit.artifacts.io import save, load
from mlxkit.artifacts.errors import ArtifactStoreError
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
store = LocalArtifactStore(SimpleNamespace(name="store", attributes={}), Path(sys.argv[1]))
kept = save(np.arange(10), store=store)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for value in (np.zeros(1_000_000), "x" * 1_000_000, [object(), "x" * 1_000_000], {"a": np.zeros(1_000_000)}):
    try:
        save(value, store=store)
    except ArtifactStoreError as error:
        print(error)
print(load(kept, store).sum(), sorted(p.name for p in store.root.rglob("*") if p.is_file()) == [kept.digest])
"""


def test_a_full_disk_leaves_only_what_was_whole(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 5 and all("cannot write to artifact store" in line for line in lines[:4]), (
        done.stdout + done.stderr
    )
    assert lines[4] == "45 True"


def test_a_library_that_is_not_there_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record = save(pd.DataFrame({"a": [1]}), store=store)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in ("frames", "tables"):
        monkeypatch.delitem(sys.modules, f"mlxkit.artifacts.materializers.{name}")
    with pytest.raises(ArtifactUnreadableError, match=r"needs a library.*pyarrow"):
        load(record, store)


def test_a_format_of_a_later_version_is_named(store: Store) -> None:
    with pytest.raises(ArtifactUnreadableError, match="'hologram'"):
        load(ArtifactRecord("0" * 64, "hologram", "x", 1, "", b"x"), store)


@pytest.mark.parametrize(
    "kind", ["dataclass", "pickle", "enum", "function", "class", "container", "nested", "custom"]
)
def test_the_summary_names_the_users_code_that_a_value_is_made_of(kind: str, store: Store) -> None:
    from .materializers.test_base import Thing
    from .test_plain import Colour, Config, OwnPickling, back

    here, plain = "tests.artifacts.materializers.test_base", "tests.artifacts.test_plain"
    values: dict[str, tuple[Any, list[str]]] = {
        "dataclass": (Config(1.0), [f"{plain}:Config"]),
        "pickle": (OwnPickling(1), [f"{plain}:OwnPickling"]),
        "enum": ([Colour.RED], [f"{plain}:Colour"]),
        "function": (back, [f"{plain}:back"]),
        "class": (Config, [f"{plain}:Config"]),
        "container": (
            {"x": np.arange(2), "c": Config(1.0), "o": OwnPickling(1)},
            [f"{plain}:Config", f"{plain}:OwnPickling"],
        ),
        "nested": ([[{"a": (OwnPickling(1),)}]], [f"{plain}:OwnPickling"]),
        "custom": (Thing("x"), [f"{here}:Thing", f"{here}:ThingMaterializer"]),
    }
    value, code = values[kind]
    assert save(value, store=store).summary["code"] == code


def test_code_of_libraries_is_not_named(store: Store) -> None:
    from sklearn.linear_model import Ridge

    for value in (
        1,
        [1],
        Path("x"),
        Ridge(),
        {"m": Ridge(), "x": np.arange(3)},
        pd.DataFrame({"a": [{}]}),
        len,
        np.mean,
    ):
        assert "code" not in save(value, store=store).summary


_CHEAP = """
import sys
from pathlib import Path
from types import SimpleNamespace
from mlxkit.artifacts.io import save, load, digest_of
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
store = LocalArtifactStore(SimpleNamespace(name="store", attributes={}), Path(sys.argv[1]))
for value in (1, 0.5, "text", None, True, {"a": [1, (2,)]}, b"bytes", "x" * 9999):
    load(save(value, declared=type(value), store=store), store)
    digest_of(value)
print(sorted({"numpy", "pandas", "pyarrow", "cloudpickle", "pickle", "polars", "scipy", "pydantic", "decimal", "uuid", "shutil"} & set(sys.modules)))
"""


def test_plain_values_load_no_heavy_library(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHEAP, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
