"""What goes wrong between here and a bucket: programs killed, content damaged, services that fail or refuse."""

from __future__ import annotations

import errno
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mlxkit.artifacts.errors import ArtifactMissingError, ArtifactStoreError
from mlxkit.artifacts.io import load, save
from mlxkit.artifacts.proof import prove
from mlxkit.artifacts.records import ArtifactRecord
from mlxkit.artifacts.store import ENTRY_LIMIT, uri_of
from mlxkit.errors import CredentialsError, UnreachableError
from mlxkit.integrations.fsspec import options
from mlxkit.integrations.fsspec.artifact_store import FsspecArtifactStore
from mlxkit.integrations.fsspec.faults import explained
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
from mlxkit.pipelines.shared_cache import is_of_one_name
from tests.fixtures.loopback import listening
from tests.fixtures.s3_server import KEY, SECRET, Proxy, S3Server

from .conftest import Machines

WRITER = """
import sys
from pathlib import Path
import numpy as np
from mlxkit.artifacts.io import save
from mlxkit.integrations.fsspec import options
from mlxkit.integrations.fsspec.artifact_store import FsspecArtifactStore
from mlxkit.stacks.resolve import ResolvedComponent
url, path, key, secret, what = sys.argv[1:]
store = FsspecArtifactStore(
    ResolvedComponent("artifact_store", "lake", "s3", {"path": path, "key": key, "secret": secret, "endpoint_url": url}),
    Path("state"),
)
value = np.arange(5_000_000.0) if what == "large" else {f"part{n}": np.full(20_000, float(n)) for n in range(40)}
save(value, store=store)
"""


@pytest.mark.parametrize("what", ["large", "folder"])
def test_a_writer_killed_amid_an_upload_leaves_nothing_to_be_seen(
    what: str, s3_server: S3Server, bucket: str, proxy: Proxy, machine: Machines, tmp_path: Path
) -> None:
    proxy.stalled_after = 2_000_000
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, proxy.url, f"s3://{bucket}/mlx", KEY, SECRET, what], cwd=tmp_path
    )
    deadline = time.monotonic() + 60
    while proxy.passed <= proxy.stalled_after and time.monotonic() < deadline:
        assert writer.poll() is None
        time.sleep(0.05)
    writer.send_signal(signal.SIGKILL)
    writer.wait(60)
    proxy.stalled_after = None

    assert not [key for key in s3_server.keys(bucket) if key.endswith("manifest.json") or what == "large"]
    value = (
        np.arange(5_000_000.0)
        if what == "large"
        else {f"part{n}": np.full(20_000, float(n)) for n in range(40)}
    )
    here = machine("another")
    record = save(value, store=here)
    assert here.exists(record)
    again = load(record, machine("a third"))
    if what == "large":
        np.testing.assert_array_equal(again, value)
    else:
        assert list(again) == list(value)
    assert not list((tmp_path / "another" / "cache" / "artifacts" / "drafts").iterdir())


def test_damaged_content_is_never_used_and_mended_by_the_next_who_makes_it(
    s3_server: S3Server, bucket: str, machine: Machines, tmp_path: Path
) -> None:
    array = np.arange(400_000.0)
    record = save(array, store=machine("a"))
    good = (machine("a").locate(record.uri)).read_bytes()
    s3_server.call("PUT", f"/{bucket}/mlx/{record.uri}", good[:-1] + b"\xff")

    other = machine("b")
    for _ in range(2):
        with pytest.raises(ArtifactMissingError, match=r"damaged.*not used"):
            load(record, other)
    assert not (tmp_path / "b" / "cache" / "artifacts" / record.uri).exists()
    save(array, store=other)  # the size is the same, and it is sent all the same
    np.testing.assert_array_equal(load(record, machine("c")), array)


def test_a_pickle_that_was_tampered_with_is_not_run(
    s3_server: S3Server, bucket: str, machine: Machines, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    record = save(_Odd(), store=machine("a"))
    assert record.materializer == "cloudpickle"
    evil = pickle.dumps(_Evil(sign))
    s3_server.call("PUT", f"/{bucket}/mlx/{record.uri}", evil)
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(record, machine("b"))
    copy = tmp_path / "a" / "cache" / "artifacts" / record.uri
    copy.write_bytes(evil)
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(record, machine("a"))
    assert not sign.exists()


def test_a_copy_that_was_tampered_with_is_brought_again(machine: Machines, tmp_path: Path) -> None:
    store = machine("a")
    record = save(np.arange(1000), store=store)
    copy = tmp_path / "a" / "cache" / "artifacts" / record.uri
    for damage in (copy.read_bytes()[:-1] + b"x", b"short"):
        copy.write_bytes(damage)
        np.testing.assert_array_equal(load(record, store), np.arange(1000))


def test_a_copy_of_a_folder_that_is_damaged_or_taken_away_is_brought_again(
    machine: Machines, tmp_path: Path
) -> None:
    store = machine("a")
    value = {"a": np.arange(1000), "b": ["c"]}
    record = save(value, store=store)
    files = tmp_path / "a" / "cache" / "artifacts" / record.uri / "files"
    text = (files / "value.json").read_bytes()
    (files / "value.json").write_bytes(b" " * len(text))
    np.testing.assert_equal(load(record, store), value)
    assert (files / "value.json").read_bytes() == text

    locate, told = store.locate, []

    def locate_and_lose(uri: str, artifact: ArtifactRecord | None = None) -> Path:
        told.append(locate(uri, artifact))
        if len(told) == 1:  # somebody makes room, or deletes it, before it is opened
            store.discard_copy(uri)
        return told[-1]

    store.locate = locate_and_lose  # type: ignore[method-assign]
    for stored, given in ((record, value), (save(np.arange(2000), store=store), np.arange(2000))):
        told.clear()
        np.testing.assert_equal(load(stored, store), given)
        assert len(told) == 2


@pytest.mark.parametrize("value", [np.arange(1000), {"a": np.arange(1000)}], ids=["file", "folder"])
def test_what_is_proven_is_the_content_and_a_copy_is_there_all_the_time(
    value: object, s3_server: S3Server, bucket: str, proxy: Proxy, machine: Machines, tmp_path: Path
) -> None:
    here, other = machine("a", url=proxy.url), machine("b")
    record = save(value, store=here)
    copies = tmp_path / "a" / "cache" / "artifacts"
    told = [path for path in (copies / record.uri, *(copies / record.uri).rglob("*")) if path.is_file()]
    told[0].write_bytes(b"x" * told[0].stat().st_size)  # a copy is no proof, and is mended
    proxy.latency = 0.1
    proving = threading.Thread(target=prove, args=(record, here))
    proving.start()
    while proving.is_alive():
        assert all(path.exists() for path in told), "somebody was told this path, and opens it next"
        time.sleep(0.001)
    proxy.latency = 0.0
    np.testing.assert_equal(load(record, here, verify=True), value)
    prove(record, other)
    assert not list((tmp_path / "b" / "cache" / "artifacts").glob("??/*"))  # what is used has the room

    key = f"mlx/{told[0].relative_to(copies).as_posix()}"
    good = s3_server.call("GET", f"/{bucket}/{key}")
    s3_server.call("PUT", f"/{bucket}/{key}", good[:-1] + b"\xff")
    with pytest.raises(ArtifactMissingError, match="damaged"):
        prove(record, here)
    assert all(path.exists() for path in told) and not here.exists(record)
    np.testing.assert_equal(load(record, here, verify=True), value)
    s3_server.call("PUT", f"/{bucket}/{key}", good)
    prove(record, here)
    assert here.exists(record)


def test_a_folder_of_copies_that_is_removed_meanwhile_is_not_taken_for_content_that_is_gone(
    machine: Machines, tmp_path: Path
) -> None:
    store = machine("a")
    record = save(np.arange(10), store=store)
    with pytest.raises(ArtifactStoreError, match="was removed meanwhile"):
        store._backend.download(record.uri, tmp_path / "removed" / "content")


def test_a_folder_with_a_file_or_its_manifest_missing_is_not_there(
    s3_server: S3Server, bucket: str, machine: Machines
) -> None:
    value = {"a": np.arange(3), "b": [np.arange(4)]}
    record = save(value, store=machine("a"))
    key = next(key for key in s3_server.keys(bucket) if key.endswith(".npy"))
    s3_server.call("DELETE", f"/{bucket}/{key}")
    other = machine("b")
    assert not other.exists(record)
    with pytest.raises(ArtifactMissingError, match=r"damaged: .*\.npy is missing"):
        load(record, other)
    save(value, store=other)
    assert other.exists(record)
    s3_server.call("DELETE", f"/{bucket}/mlx/{record.uri}manifest.json")
    assert not machine("c").exists(record)
    with pytest.raises(ArtifactMissingError, match="is not in the artifact store"):
        load(record, machine("c"))


def test_a_manifest_cannot_lead_out_of_its_folder(
    s3_server: S3Server, bucket: str, machine: Machines, tmp_path: Path
) -> None:
    record = save({"a": np.arange(3)}, store=machine("a"))
    evil = b'{"files":[["../../../escaped",1,"00"]]}'
    s3_server.call("PUT", f"/{bucket}/mlx/{record.uri}manifest.json", evil)
    with pytest.raises(ArtifactMissingError, match="its manifest is not what was stored"):
        machine("b").locate(record.uri, record)
    with pytest.raises(ArtifactMissingError, match="its manifest names"):
        machine("b").locate(record.uri)
    assert not list(tmp_path.rglob("escaped"))


def test_failures_that_pass_are_not_noticed(proxy: Proxy, machine: Machines) -> None:
    store = machine(url=proxy.url)
    proxy.failing = [503, 500]
    record = save(np.arange(10), store=store)
    proxy.failing = [500]
    assert store.exists(record)
    proxy.failing = [503]
    np.testing.assert_array_equal(load(record, machine("b", url=proxy.url)), np.arange(10))
    for number, status in enumerate((503, 409)):  # the latter: somebody writes the same in that instant
        proxy.failing = [status]
        assert store.put_entry(f"cache/{number}", b"1") == b"1"


def test_failures_that_stay_are_told_after_so_many_attempts(proxy: Proxy, machine: Machines) -> None:
    store = machine(url=proxy.url, retries=1)
    proxy.failing = [503] * 50
    with pytest.raises(ArtifactStoreError, match=r"artifact store s3://lake-\w+/mlx: cannot write: planted"):
        save(np.arange(10), store=store)
    assert 2 <= len(proxy.requests) <= 4


def test_what_a_service_refuses_is_not_asked_again(proxy: Proxy, machine: Machines) -> None:
    store = machine(url=proxy.url)
    proxy.failing = [403] * 10
    with pytest.raises(CredentialsError, match="do not allow it") as caught:
        save(np.arange(10), store=store)
    assert SECRET not in str(caught.value)
    assert len(proxy.requests) == 1
    assert caught.value.hint == "mlx artifact-store describe lake"


@pytest.mark.parametrize("status", [412, 501])
def test_an_answer_that_nobody_is_ready_for_is_put_into_words(
    status: int, proxy: Proxy, machine: Machines
) -> None:
    store = machine(url=proxy.url)
    proxy.failing = [status] * 5
    with pytest.raises(ArtifactStoreError, match=r"cannot write: .*planted"):
        save(np.arange(10), store=store)


def test_credentials_that_expired_are_thought_of_where_the_service_says_no_more(
    proxy: Proxy, machine: Machines
) -> None:
    proxy.failing = [400] * 5
    with pytest.raises(ArtifactStoreError, match="credentials have expired"):
        machine(url=proxy.url).measure(uri_of("a" * 64, is_folder=False))


def test_what_a_service_refuses_altogether_is_not_taken_for_the_matter_of_one_document() -> None:
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    answer = {"Error": {"Code": "InvalidToken", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    refused = translate_boto_error(ClientError(answer, "GetObject"))
    assert refused.errno == errno.EINVAL and not is_of_one_name(
        explained(refused, "read", "s3://lake", "lake")
    )


def test_a_bucket_that_is_not_there_is_named(machine: Machines) -> None:
    store = machine(path="s3://no-such-lake/mlx")
    for ask in (lambda: save(np.arange(10), store=store), lambda: list(store.uris())):
        with pytest.raises(ArtifactStoreError, match="there is no bucket 'no-such-lake'"):
            ask()


def test_a_service_that_does_not_answer_is_named(machine: Machines) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen, so that nobody else does
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(
            UnreachableError, match=r"artifact store s3://.*: cannot read: it does not answer"
        ):
            machine(url=url, retries=0).get_entry("cache/x")


def test_a_service_that_is_silent_is_asked_as_often_as_was_said_and_once_more(
    machine: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "_SILENT_FOR", 0.2)
    asked: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        asked.append(connection.recv(1 << 16))
        while connection.recv(1 << 16):
            pass

    with listening(listen) as port:
        store = machine(url=f"http://127.0.0.1:{port}", retries=0)
        for ask in (
            lambda: store.measure(uri_of("a" * 64, is_folder=False)),
            lambda: store.get_entry("cache/x"),
        ):
            with pytest.raises(UnreachableError, match="it does not answer"):
                ask()
        assert 1 <= len(asked) <= 3


def test_credentials_that_are_nowhere_are_told_of(machine: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CredentialsError, match="no credentials"):
        machine(key="", secret="").put_entry("cache/x", b"1")


def test_a_folder_for_copies_that_cannot_be_made_is_named(machine: Machines, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(ArtifactStoreError, match="where copies are kept"):
        save(np.arange(10), store=machine("a"))


class _Odd:
    """Has no format but a pickle."""

    def __init__(self) -> None:
        self.value = 1


class _Evil:
    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.sign,)  # type: ignore[return-value]


def test_the_store_says_nothing_of_its_credentials(store: FsspecArtifactStore) -> None:
    assert SECRET not in repr(store) + str(vars(store))


@pytest.mark.parametrize("value", [np.arange(400_000.0), {"a": np.arange(400_000.0)}], ids=["file", "folder"])
def test_what_another_machine_found_damaged_is_sent_again_and_is_not_there_until_then(
    value: object, s3_server: S3Server, bucket: str, machine: Machines
) -> None:
    record = save(value, store=machine("a"))
    key = max(s3_server.keys(bucket), key=lambda key: len(s3_server.call("GET", f"/{bucket}/{key}")))
    good = s3_server.call("GET", f"/{bucket}/{key}")
    s3_server.call("PUT", f"/{bucket}/{key}", good[:-1] + b"\xff")
    found = machine("b")
    assert found.exists(record)
    with pytest.raises(ArtifactMissingError, match="damaged") as caught:
        load(record, found)
    assert "--no-cache" in str(caught.value.hint)
    assert not found.exists(record)  # so that a step is not served from it again
    save(value, store=machine("a"))  # which has a good copy, and did not see the damage
    assert s3_server.call("GET", f"/{bucket}/{key}") == good
    load(record, machine("b"))
    assert machine("b").exists(record)
    assert not [key for key in s3_server.keys(bucket) if "damaged" in key]


def test_a_document_that_is_larger_than_one_can_be_is_not_brought(
    s3_server: S3Server, bucket: str, proxy: Proxy, machine: Machines, tmp_path: Path
) -> None:
    s3_server.call("PUT", f"/{bucket}/mlx/entries/cache/big", b"z" * (ENTRY_LIMIT + (8 << 20)))
    store = machine(url=proxy.url)
    with pytest.raises(ArtifactStoreError, match="is too large") as caught:
        store.get_entry("cache/big")
    assert is_of_one_name(caught.value)  # the rest of the cache is asked for as before
    assert proxy.passed < ENTRY_LIMIT
    store.put_entry("cache/small", b"1")
    assert store.get_entry("cache/small") == b"1"

    here = LocalArtifactStore.at(tmp_path / "lake")
    here.put_entry("cache/big", b"1")
    (tmp_path / "lake" / "entries" / "cache" / "big").write_bytes(b"z" * (ENTRY_LIMIT + 1))
    with pytest.raises(ArtifactStoreError, match="too large"):
        here.get_entry("cache/big")
