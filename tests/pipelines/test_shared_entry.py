"""An entry that somebody made up, whole by its digest: it is a miss, and never fails a run."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.artifacts.io import inline_digest
from mlxkit.pipelines.shared_entry import LARGEST, UnbelievableEntryError, entry_name, read_entry
from tests.fixtures.checkouts import Checkout

FILE = """
from mlxkit import pipeline, save_artifact, step

@step
def make() -> dict:
    save_artifact(3, "extra")
    return {"a": 1}

@step
def use(what: dict) -> int:
    return what["a"] + 1

@pipeline
def main() -> None:
    use(make())
"""
Body = dict[str, Any]


def forge(path: Path, change: Callable[[Body], object]) -> None:
    """Change a document as somebody does who can write to the store."""
    body = json.loads(path.read_bytes())
    body.pop("digest")
    change(body)
    path.write_bytes(sealed(body))


def sealed(body: Body) -> bytes:
    def text(of: Body) -> bytes:
        return json.dumps(of, sort_keys=True, separators=(",", ":")).encode()

    return text({**body, "digest": hashlib.sha256(text(body)).hexdigest()})


def inline(body: Body, content: bytes, materializer: str = "json", size: int | None = None) -> None:
    body["outputs"][0].update(
        inline=b64encode(content).decode(), digest=inline_digest(content, materializer), materializer=materializer,
        uri="", size=len(content) if size is None else size,
    )  # fmt: skip


def output(**changes: Any) -> Callable[[Body], object]:
    return lambda body: body["outputs"][0].update(changes)


FORGED: dict[str, Callable[[Body], object]] = {
    "endless": lambda body: body.update(seconds=10**400),
    "negative": lambda body: body.update(seconds=-1e300),
    "long": lambda body: body.update(seconds=1e200),
    "digest is a word": output(digest="zz", uri="zz/zz", inline=None),
    "digest in capitals": output(digest="A" * 64, uri=f"AA/{'A' * 64}", inline=None),
    "size": output(size=10**30),
    "size below zero": output(size=-5),
    "size is text": output(size="9"),
    "type": output(type="\ud800"),
    "steering": output(type="\x1b]0;mine\x07dict"),
    "summary": output(summary={"x": "\ud800"}),
    "code is a number": output(summary={"code": 5}),
    "code of lists": output(summary={"code": [["a"]]}),
    "summary is text": output(summary="ab"),
    "note": lambda body: body["metadata"].update(rows="\ud800"),
    "three times": lambda body: body.update(outputs=[body["outputs"][0]] * 3 + body["outputs"][1:]),
    "renamed": output(name="other"),
    "one more": lambda body: body["outputs"].append({**body["outputs"][0], "name": "more"}),
    "none": lambda body: body.update(outputs=[]),
    "outputs is a number": lambda body: body.update(outputs=5),
    "half of a list": lambda body: inline(body, b"[1,"),
    "text as json": lambda body: inline(body, b"just text"),
    "deep": lambda body: inline(body, b"[" * 4000),
    "no text": lambda body: inline(body, b"\xff\xfe", "text"),
    "an array": lambda body: inline(body, b"1", "npy"),
    "a pickle": lambda body: inline(body, b"1", "cloudpickle"),
    "another size": lambda body: inline(body, b"1", size=2),
}


@pytest.fixture(scope="module")
def believed(tmp_path_factory: pytest.TempPathFactory) -> Body:
    """An entry that is in order, as a document."""
    from mlxkit.pipelines.fingerprint import cache_key

    parts = {"step": "a" * 64, "output output": "auto"}
    item = {"materializer": "json", "type": "int", "size": 1, "uri": "", "summary": {}, "inline": "MQ=="}
    digest = inline_digest(b"1", "json")
    body = {
        "key": cache_key(parts), "step": "fit", "pipeline": "main", "run": "r1", "step_id": "s1", "seconds": 1.0,
        "by": "a@b", "written": 2.0, "mlx": "1", "python": "3.11", "tracked_on": None, "parts": parts,
        "metadata": {"artifacts": {"extra": {"saved": True}}}, "format": "mlx cache entry", "version": 1,
        "outputs": [{**item, "name": name, "digest": digest} for name in ("output", "extra")],
    }  # fmt: skip
    assert read_entry(sealed(body), body["key"]).outputs[0].inline == b"1"
    return body


@pytest.mark.parametrize("how", FORGED)
def test_an_entry_that_was_made_up_is_not_believed(how: str, believed: Body) -> None:
    body = json.loads(json.dumps(believed))
    FORGED[how](body)
    with pytest.raises(UnbelievableEntryError):
        read_entry(sealed(body), body["key"])


def test_what_is_too_large_is_not_even_read(believed: Body) -> None:
    body = json.loads(json.dumps(believed))
    body["metadata"]["z"] = "z" * LARGEST
    with pytest.raises(UnbelievableEntryError, match="larger than an entry can be"):
        read_entry(sealed(body), body["key"])


@pytest.mark.parametrize(
    "how", ["endless", "size", "type", "three times", "code of lists", "renamed", "half of a list"]
)
def test_a_run_does_not_fail_for_it(how: str, checkout: Callable[..., Checkout], home: Path) -> None:
    ada, bob = checkout("ada", FILE), checkout("bob", FILE)
    path = home / "lake/entries" / entry_name(ada.steps()["make"]["cache_key"])
    forge(path, FORGED[how])
    found = bob.steps()
    assert [step["status"] for step in found.values()] == ["completed", "cached"]
    assert found["make"]["reason"].startswith("the shared entry is not believed")
    assert checkout("cleo", FILE).steps()["make"]["status"] == "cached"  # it was healed


def test_what_a_step_saved_beside_its_outputs_is_believed(checkout: Callable[..., Checkout]) -> None:
    ada, bob = checkout("ada", FILE), checkout("bob", FILE)
    ada.steps()
    assert set(bob.steps()["make"]["outputs"]) == {"output", "extra"}


def test_who_wrote_a_value_is_not_said_where_a_step_that_failed_was_called_with_it(
    checkout: Callable[..., Checkout],
) -> None:
    ada = checkout("ada", FILE)
    bob = checkout("bob", FILE.replace('what["a"] + 1', "1 // 0"))
    ada.steps()
    failed = bob.mlx("run", "p.py")
    assert failed.code != 0 and "called with what from make.output" in failed.stderr
    assert "written_by" not in failed.stderr and "length 1" in failed.stderr
