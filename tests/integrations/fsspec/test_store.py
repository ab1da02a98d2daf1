"""Artifacts in a bucket of a real server of the S3 protocol."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mlxkit.artifacts.errors import ArtifactMissingError
from mlxkit.artifacts.io import load, save
from mlxkit.artifacts.materializers.base import BaseMaterializer
from mlxkit.artifacts.records import ArtifactRecord
from mlxkit.artifacts.store import uri_of
from mlxkit.integrations.fsspec.artifact_store import FsspecArtifactStore
from mlxkit.integrations.fsspec.read_cache import GRACE
from tests.fixtures.s3_server import KEY, SECRET, Proxy, S3Server

from .conftest import Machines


def copies(folder: Path) -> list[str]:
    return sorted(
        path.name for path in (folder / "cache" / "artifacts").glob("??/*") if len(path.parent.name) == 2
    )


@pytest.mark.parametrize(
    "value", ["x" * 9999, b"\0\1", np.arange(12.0).reshape(3, 4), {"a": np.arange(3), "b": ["c", 1]}]
)
def test_values_come_back_on_another_machine(value: object, machine: Machines) -> None:
    record = save(value, store=machine("a"))
    other = machine("b")
    assert other.exists(record)
    np.testing.assert_equal(load(record, other), value)
    np.testing.assert_equal(load(record, other, verify=True), value)


def test_what_was_just_stored_is_read_without_the_network(machine: Machines, proxy: Proxy) -> None:
    store = machine(url=proxy.url)
    record = save({"a": np.arange(3)}, store=store)
    proxy.requests.clear()
    load(record, store)
    assert proxy.requests == []


def test_content_that_is_there_is_not_sent_again(machine: Machines, proxy: Proxy) -> None:
    values = (np.arange(200_000.0), {"a": np.arange(3), "b": [np.arange(4)]})
    for value in values:
        save(value, store=machine("a"))
    other = machine("b", url=proxy.url)
    for value in values:
        save(value, store=other)
    assert not [line for line in proxy.requests if line.startswith("PUT")]
    assert len(proxy.requests) == 4  # whether it is there, and whether somebody found it damaged


class ManyFiles(BaseMaterializer):
    """One file an item."""

    def save(self, value: list[int]) -> None:
        for number in value:
            (Path(self.uri) / f"part{number}").write_text(str(number) * 50)

    def load(self, data_type: type[list[int]]) -> list[int]:
        return sorted(int(path.name.removeprefix("part")) for path in Path(self.uri).iterdir())


def test_files_of_a_folder_travel_side_by_side(machine: Machines, proxy: Proxy) -> None:
    proxy.together, proxy.gathered = 5, "/files/"
    record = save([*range(30)], store=machine("a", url=proxy.url), materializer=ManyFiles)
    assert proxy.most_at_once >= 5
    assert "manifest.json" in [line for line in proxy.requests if line.startswith("PUT")][-1]
    proxy.most_at_once = 0
    assert load(record, machine("a", url=proxy.url)) == [*range(30)]
    other = machine("b", url=proxy.url, trust_code=True)
    assert load(record, other) == [*range(30)]
    assert proxy.most_at_once >= 5


def test_a_large_file_travels_in_parts(machine: Machines, proxy: Proxy) -> None:
    array = np.random.default_rng(1).random(5_000_000)
    record = save(array, store=machine("a", url=proxy.url))
    assert len([line for line in proxy.requests if "partNumber=" in line]) >= 2
    np.testing.assert_array_equal(load(record, machine("b", url=proxy.url), verify=True), array)


def test_everything_on_this_machine_is_private(machine: Machines, tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        records = [save(value, store=machine("a")) for value in (np.arange(3), {"a": np.arange(3)})]
        for record in records:
            load(record, machine("b"))
    finally:
        os.umask(mask)
    found = [*(tmp_path / "a").rglob("*"), *(tmp_path / "b").rglob("*")]
    assert len(found) > 10
    for path in found:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_keys_sizes_and_ages_are_told_and_content_is_deleted(
    store: FsspecArtifactStore, s3_server: S3Server, bucket: str, tmp_path: Path
) -> None:
    assert list(store.uris()) == []
    file = save(np.arange(3), store=store)
    folder = save({"a": np.arange(3)}, store=store)
    store.put_entry("cache/ab/abc", b"1")
    assert sorted(store.uris()) == sorted([file.uri, folder.uri])
    for record in (file, folder):
        found = store.measure(record.uri)
        assert found is not None and found.changed is not None
        assert found.size == record.size
        assert abs(found.changed - time.time()) < 120
        store.delete(record.uri)
        store.delete(record.uri)
        assert store.measure(record.uri) is None
        assert not store.exists(record)
        with pytest.raises(ArtifactMissingError):
            store.locate(record.uri)
    assert s3_server.keys(bucket) == ["mlx/entries/cache/ab/abc"]
    assert copies(tmp_path / "a") == []


def test_what_is_no_key_is_refused(store: FsspecArtifactStore) -> None:
    for uri in ("../../etc", "ab/abc", "entries/cache", f"ab/{'c' * 64}"):
        for ask in (store.locate, store.delete, store.measure):
            with pytest.raises(ArtifactMissingError, match="not the key"):
                ask(uri)


def test_a_missing_artifact_is_said_to_be_missing(store: FsspecArtifactStore) -> None:
    for is_folder in (False, True):
        record = ArtifactRecord("a" * 64, "npy", "x", 1, uri_of("a" * 64, is_folder=is_folder))
        assert not store.exists(record)
        with pytest.raises(ArtifactMissingError, match=r"aaaaaaaaaaaa is not in the artifact store s3://"):
            store.locate(record.uri, record)


def test_the_first_writer_of_a_document_counts(machine: Machines) -> None:
    one, other = machine("a"), machine("b")
    assert one.get_entry("cache/x") is None
    assert one.put_entry("cache/x", b"one") == b"one"
    assert other.put_entry("cache/x", b"two") == b"one"
    assert other.get_entry("cache/x") == b"one"
    other.put_entry("cache/b/2", b"2")
    other.put_entry("cachet", b"3")
    assert list(one.entries("cache/")) == ["cache/b/2", "cache/x"]
    assert list(one.entries("")) == ["cache/b/2", "cache/x", "cachet"]
    assert list(one.entries("nothing/")) == []
    one.delete_entry("cache/x")
    one.delete_entry("cache/x")
    assert other.get_entry("cache/x") is None
    with pytest.raises(ValueError, match="not the name"):
        one.get_entry("../up")


def test_a_document_is_one_request_to_read_and_one_to_write(machine: Machines, proxy: Proxy) -> None:
    store = machine(url=proxy.url)
    for ask in (
        lambda: store.get_entry("x"),
        lambda: store.put_entry("x", b"1"),
        lambda: store.get_entry("x"),
    ):
        proxy.requests.clear()
        ask()
        assert len(proxy.requests) == 1


def test_writers_at_once_agree(machine: Machines) -> None:
    stores = [machine(f"m{n}") for n in range(4)]
    said: list[list[bytes]] = [[] for _ in stores]
    start = threading.Barrier(len(stores))

    def write(number: int) -> None:
        start.wait(60)
        for n in range(8):
            said[number].append(stores[number].put_entry(f"cache/{n}", b"%d" % number))
            save(np.full(50, n), store=stores[number])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(said[0]) == 8
    assert said == [said[0]] * len(stores)
    assert len(list(stores[0].uris())) == 8


def test_two_readers_of_the_same_content_bring_it_once(machine: Machines, proxy: Proxy) -> None:
    record = save(np.arange(1000), store=machine("a"))
    store = machine("b", url=proxy.url)
    store.get_entry("x")  # the connection
    proxy.requests.clear()
    proxy.latency = 0.2
    readers = [threading.Thread(target=load, args=(record, store)) for _ in range(5)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert len([line for line in proxy.requests if line.startswith("GET")]) == 1


def test_what_was_not_used_for_longest_makes_room(machine: Machines, tmp_path: Path) -> None:
    store = machine("a", cache_size="1MB")
    records = [save(np.full(40_000, float(n)), store=store) for n in range(4)]  # 320 KB each
    assert len(copies(tmp_path / "a")) == 4  # asked for just now: nobody who was told a path finds nothing
    mapped = load(records[1], store)
    folder = tmp_path / "a" / "cache" / "artifacts"
    for age, number in enumerate((2, 0, 3, 1)):  # 1 was used longest ago
        past = time.time() - GRACE - 100 - age
        os.utime(folder / records[number].uri, (past, past))
    store.locate(records[3].uri, records[3])
    save(np.full(40_000, 9.0), store=store)
    left = copies(tmp_path / "a")
    assert records[1].digest not in left
    assert records[3].digest in left
    assert len(left) == 3
    assert mapped[-1] == 1.0  # still mapped, although its file has no name any more
    np.testing.assert_array_equal(load(records[1], store), np.full(40_000, 1.0))


def test_a_folder_makes_room_as_a_whole(machine: Machines, tmp_path: Path) -> None:
    store = machine("a", cache_size="100KB")
    record = save({"a": np.zeros(20_000), "b": np.ones(20_000)}, store=store)
    folder = tmp_path / "a" / "cache" / "artifacts"
    os.utime(folder / record.uri, (1, 1))
    save(np.arange(2000), store=store)
    assert not (folder / record.uri).exists()
    assert store.exists(record)


FORKING = """
import os, sys
from pathlib import Path
import numpy as np
from mlxkit.artifacts.io import load, save
from mlxkit.integrations.fsspec.artifact_store import FsspecArtifactStore
from mlxkit.stacks.resolve import ResolvedComponent
url, path, key, secret = sys.argv[1:]
store = FsspecArtifactStore(
    ResolvedComponent("artifact_store", "lake", "s3", {"path": path, "key": key, "secret": secret, "endpoint_url": url}),
    Path("state"),
)
store.put_entry("before", b"1")
children = []
for n in range(3):
    child = os.fork()
    if not child:
        save(np.full(9, n), store=store)
        os._exit(0 if store.get_entry("before") == b"1" else 1)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
print(codes, len(list(store.uris())))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_store_works_in_a_forked_process(s3_server: S3Server, bucket: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", FORKING, s3_server.url, f"s3://{bucket}/mlx", KEY, SECRET],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "[0, 0, 0] 3", done.stderr
    assert done.stderr == ""


def test_making_a_store_imports_nothing_heavy(s3_server: S3Server, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from mlxkit.integrations.fsspec.artifact_store import FsspecArtifactStore\n"
        "from mlxkit.stacks.resolve import ResolvedComponent\n"
        "FsspecArtifactStore(ResolvedComponent('artifact_store', 'l', 's3', {'path': 's3://b/p'}), Path('.'))\n"
        "print({'fsspec', 's3fs', 'boto3', 'botocore', 'aiohttp', 'mlflow', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_a_file_and_a_folder_of_one_digest_do_not_stand_in_each_others_way(
    store: FsspecArtifactStore, tmp_path: Path
) -> None:
    file = uri_of("a" * 64, is_folder=False)
    cache = store._cache
    for _ in range(2):
        with cache.draft() as draft:
            (draft / "content").write_bytes(b"x")
            assert cache.keep(draft / "content", file).is_file()
        assert cache.find(f"{file}/", None) is None and cache.find(file, None) is not None
        with cache.draft() as draft:
            (draft / "content").mkdir()
            (draft / "content" / "manifest.json").write_bytes(b"{}")
            assert cache.keep(draft / "content", f"{file}/").is_dir()
        assert cache.find(file, None) is None and cache.find(f"{file}/", None) is not None


def test_lookups_ask_for_all_outputs_side_by_side(machine: Machines, proxy: Proxy) -> None:
    from mlxkit.pipelines.presence import first_gone
    from mlxkit.runs.records import output_of

    here, store = machine(), machine("b", url=proxy.url)
    outputs = [output_of(f"o{n}", save(np.full(10, n), store=here)) for n in range(8)]
    assert first_gone(store, []) is None is first_gone(store, outputs[:1])
    proxy.together, proxy.most_at_once = 2, 0
    proxy.requests.clear()
    assert first_gone(store, outputs) is None
    assert proxy.most_at_once > 1
    assert len(proxy.requests) == 8
    store.delete(outputs[2].uri)
    gone = first_gone(store, outputs)
    assert gone is not None and gone.name == "o2"
