"""`mlx cache`: what is in it, whether it is whole, and taking it away."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlxkit.artifacts.io import save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
from mlxkit.pipelines.cache_checks import verify
from mlxkit.pipelines.cache_entries import Slot
from mlxkit.pipelines.shared_entry import CacheEntry, read_entry, write_entry
from mlxkit.pipelines.whereabouts import who
from mlxkit.runs.records import output_of
from tests.fixtures.checkouts import Checkout

FILE = """
import numpy as np
from mlxkit import pipeline, step

@step
def load() -> np.ndarray:
    return np.arange(5000.0)

@step
def same() -> np.ndarray:
    return np.arange(5000.0)

@step
def total(many: np.ndarray) -> float:
    return float(many.sum())

@pipeline
def main() -> None:
    same(), total(load())
"""
ALONE = "version: 1\nstacks:\n  plain: {}\n"


def entries(home: Path) -> list[Path]:
    return sorted(path for path in (home / "lake" / "entries").rglob("*") if path.is_file())


def rows(one: Checkout, *argv: str) -> list[dict[str, Any]]:
    shown = one.mlx("cache", *argv, "-o", "json")
    return list(json.loads(shown.stdout))


@pytest.fixture
def ada(checkout: Callable[..., Checkout]) -> Checkout:
    made = checkout("ada", FILE)
    made.steps()
    return made


def test_the_list_says_what_whose_and_when(ada: Checkout, home: Path) -> None:
    found = rows(ada, "list")
    assert [item["name"] for item in found] == ["main::total", "main::load", "main::same"]
    assert found[0]["by"] == who() and found[0]["outputs"] == ["output"] and found[0]["created"]
    assert {item["key"] for item in found} == {path.name for path in entries(home)}
    assert found[1]["size"] == 40_128
    assert [item["name"] for item in rows(ada, "list", "--step", "load")] == ["main::load"]
    assert [item["name"] for item in rows(ada, "list", "--step", "main::load")] == ["main::load"]
    assert len(rows(ada, "list", "--limit", "1")) == 1
    assert "2 more (--limit)" in ada.mlx("cache", "list", "--limit", "1").stderr
    assert rows(ada, "list", "--step", "nothing") == []
    assert ada.mlx("cache", "list", "-o", "name").stdout.splitlines() == [item["name"] for item in found]


def test_what_is_in_order_verifies_and_what_is_not_is_named(ada: Checkout, home: Path) -> None:
    fine = ada.mlx("cache", "verify")
    assert fine.code == 0 and "3 entries, each as it was written" in fine.stderr
    load = rows(ada, "list", "--step", "load")[0]
    content = next(path for path in (home / "lake").glob("??/*") if path.stat().st_size == 40_128)
    whole = content.read_bytes()
    content.write_bytes(whole[:-1] + b"x")  # of the same size
    broken = ada.mlx("cache", "verify", "-o", "json")
    problems = json.loads(broken.stdout)
    assert broken.code == 1 and "2 of 3 entries cannot be served" in broken.stderr
    assert {item["name"] for item in problems} == {"main::load", "main::same"}  # the same content
    assert all("content was changed" in item["what"] and item["output"] == "output" for item in problems)
    content.unlink()
    assert "gone" in rows(ada, "verify", "--step", "load")[0]["what"]
    content.write_bytes(whole)
    path = next(path for path in entries(home) if path.name == load["key"])
    path.write_bytes(b"{}")
    assert rows(ada, "list")[-1]["problem"] == "it is no cache entry"
    assert [item["key"] for item in rows(ada, "verify")] == [load["key"]]


def test_repair_removes_what_is_damaged_and_the_steps_heal_it(
    ada: Checkout, checkout: Callable[..., Checkout], home: Path
) -> None:
    content = next(path for path in (home / "lake").glob("??/*") if path.stat().st_size == 40_128)
    content.write_bytes(b"short")
    entries(home)[0].with_name("0" * 64).write_bytes(b"{")
    repaired = ada.mlx("cache", "verify", "--repair", "-o", "json")
    assert repaired.code == 1 and all(item["is_removed"] for item in json.loads(repaired.stdout))
    assert [item["name"] for item in rows(ada, "list")] == ["main::total"]
    bob = checkout("bob", FILE)
    assert [step["status"] for step in bob.steps().values()] == ["completed", "completed", "cached"]
    assert bob.mlx("cache", "verify").code == 0


def test_content_that_is_damaged_at_its_size_goes_with_a_repair_and_every_history_makes_it_again(
    ada: Checkout, home: Path
) -> None:
    content = next(path for path in (home / "lake").glob("??/*") if path.stat().st_size == 40_128)
    content.write_bytes(content.read_bytes()[:-1] + b"x")
    ada.write("p.py", FILE.replace("float(many.sum())", "float(many.sum()) + 1"))
    for _ in range(2):
        failed = ada.mlx("run", "p.py")
        assert failed.code != 0 and "damaged" in failed.stderr and "`--no-cache`" in failed.stderr
    repaired = ada.mlx("cache", "verify", "--repair", "-o", "json")
    assert repaired.code == 1 and all(item["is_removed"] for item in json.loads(repaired.stdout))
    assert not content.exists()
    assert [step["status"] for step in ada.steps().values()] == ["completed", "cached", "completed"]
    assert ada.mlx("cache", "verify").code == 0


def test_an_entry_of_a_newer_mlx_is_not_removed_by_a_repair(ada: Checkout, home: Path) -> None:
    path = entries(home)[0]
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":7'))
    assert ada.mlx("cache", "verify", "--repair").code == 1
    assert path.exists()


def test_clearing_takes_entries_away_and_leaves_content(ada: Checkout, home: Path) -> None:
    content = sorted((home / "lake").glob("??/*"))
    assert len(rows(ada, "clear", "--dry-run")) == 3 and len(entries(home)) == 3
    refused = ada.mlx("cache", "clear")
    assert refused.code == 2 and "--yes" in refused.stderr and len(entries(home)) == 3
    one = ada.mlx("cache", "clear", "--step", "load", "--yes")
    assert one.code == 0 and "removed 1 entry" in one.stderr and "stays" in one.stderr
    assert [item["name"] for item in rows(ada, "list")] == ["main::total", "main::same"]
    assert ada.mlx("cache", "clear", "--yes").code == 0
    assert entries(home) == [] and sorted((home / "lake").glob("??/*")) == content


def test_clearing_by_age(ada: Checkout, home: Path) -> None:
    path = next(path for path in entries(home) if read_entry(path.read_bytes(), path.name).step == "load")
    entry = read_entry(path.read_bytes(), path.name)
    path.write_bytes(write_entry(CacheEntry(**{**entry.__dict__, "written": entry.written - 40 * 86_400})))
    assert [item["name"] for item in rows(ada, "clear", "--older-than", "30d", "--yes")] == ["main::load"]
    assert "no entry to remove" in ada.mlx("cache", "clear", "--older-than", "30d", "--yes").stderr


def test_content_is_freed_when_told_and_when_neither_an_entry_nor_a_run_here_refers_to_it(
    ada: Checkout, checkout: Callable[..., Checkout], home: Path
) -> None:
    bob = checkout("bob", "", config=(ada.folder / "mlx.yaml").read_text())
    freed = bob.mlx("cache", "clear", "--step", "load", "--shared-store", "--yes")
    assert "freed 0B" in freed.stderr and list((home / "lake").glob("??/*"))  # `same` has the same content
    kept = ada.mlx("cache", "clear", "--step", "same", "--shared-store", "--yes")
    assert "freed 0B" in kept.stderr  # a run of this project has it
    ada.mlx("run", "p.py", "--no-cache")
    freed = bob.mlx("cache", "clear", "--shared-store", "--yes")
    assert "freed 39.2KB" in freed.stderr and not list((home / "lake").glob("??/*"))


def test_stats_count_what_came_from_where(ada: Checkout, checkout: Callable[..., Checkout]) -> None:
    bob = checkout("bob", FILE)
    bob.steps(), bob.steps()
    found = json.loads(bob.mlx("cache", "stats", "-o", "json").stdout)
    counted = {
        key: found[key]
        for key in ("is_shared", "entries", "damaged", "size", "people", "ran", "from_history", "from_others")
    }
    assert counted == {
        "is_shared": True, "entries": 3, "damaged": 0, "size": 40_128 + len("12497500.0"), "people": 1, "ran": 0,
        "from_history": 3, "from_others": 3,
    }  # fmt: skip
    assert found["seconds_saved"] > 0 and found["oldest"] <= found["newest"]


def test_a_store_that_nobody_shares_shows_the_cache_of_its_history(checkout: Callable[..., Checkout]) -> None:
    one = checkout("ada", FILE, config=ALONE)
    one.steps(), one.steps()
    assert [item["name"] for item in rows(one, "list")] == ["main::total", "main::load", "main::same"]
    assert rows(one, "list")[0]["by"] == ""
    found = json.loads(one.mlx("cache", "stats", "-o", "json").stdout)
    assert (found["is_shared"], found["entries"], found["ran"], found["from_history"]) == (False, 3, 3, 3)
    assert one.mlx("cache", "verify").code == 0
    refused = one.mlx("cache", "clear", "--yes")
    assert refused.code == 2 and "mlx runs prune --older-than 30d --dry-run" in refused.stderr
    content = next(path for path in (one.folder / ".mlx/artifacts").glob("??/*"))
    content.write_bytes(b"x" * 40_128)
    assert {item["name"] for item in rows(one, "verify", "--repair")} == {"main::load", "main::same"}
    assert not content.exists()
    assert [step["status"] for step in one.steps().values()] == ["completed", "cached", "cached"]


def test_another_stack_is_looked_at_and_an_empty_one_is_no_error(ada: Checkout) -> None:
    assert ada.mlx("stack", "register", "alone").code == 0
    shown = ada.mlx("cache", "list", "--stack", "alone", "-o", "json")
    assert shown.code == 0 and json.loads(shown.stdout) == []  # no step of this history kept anything there
    assert ada.mlx("cache", "list", "--stack", "nothing").code == 3
    for path in entries(ada.folder.parent):
        path.unlink()
    nothing = ada.mlx("cache", "list")
    assert nothing.code == 0 and "nothing is in the cache" in nothing.stderr


def test_of_a_store_that_nobody_shares_only_its_own_steps_are_shown(
    checkout: Callable[..., Checkout], home: Path
) -> None:
    config = (
        "version: 1\ndefault_stack: plain\nartifact_stores:\n  lake: {flavor: local, path: ../lake}\n"
        "stacks:\n  plain: {}\n  other: {}\n  team: {artifact_store: lake}\n"
    )
    one = checkout("ada", FILE, config=config)
    one.steps("--stack", "team")
    assert rows(one, "list") == [] == rows(one, "verify")
    assert json.loads(one.mlx("cache", "stats", "-o", "json").stdout)["entries"] == 0
    one.steps("--stack", "other", "--no-cache")  # the same store by another name
    assert len(rows(one, "list")) == 3
    one.write("mlx.yaml", config.replace("  other: {}\n", ""))
    assert len(rows(one, "list")) == 3  # the stack is gone, and what it made is here
    for path in (one.folder / ".mlx/artifacts").glob("??/*"):
        path.unlink()
    assert [item["name"] for item in rows(one, "list")] == ["main::total"]


def test_a_repair_says_removed_of_nothing_else(checkout: Callable[..., Checkout], home: Path) -> None:
    alone = checkout("ada", FILE, config=ALONE)
    alone.steps()
    next(path for path in (alone.folder / ".mlx/artifacts").glob("??/*")).unlink()
    assert [item["is_removed"] for item in rows(alone, "verify", "--repair")] == [False, False]
    steps = alone.steps()
    content = next(path for path in (alone.folder / ".mlx/artifacts").glob("??/*"))
    content.write_bytes(b"x" * 40_128)
    assert [item["is_removed"] for item in rows(alone, "verify", "--repair")] == [True, True]
    assert not content.exists() and len(steps) == 3
    shared = checkout("bob", FILE)
    shared.steps()
    path = entries(home)[0]
    path.unlink()
    path.symlink_to(path)
    assert [item["is_removed"] for item in rows(shared, "verify")] == [False] and path.is_symlink()
    assert [item["is_removed"] for item in rows(shared, "verify", "--repair")] == [True]
    assert not path.is_symlink()


def test_an_entry_that_is_published_while_the_question_waits_keeps_its_content(
    ada: Checkout, checkout: Callable[..., Checkout], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlxkit.commands import terminal

    bob, cleo = (
        checkout("bob", ""),
        checkout("cleo", FILE.replace("def same", "def another").replace("same(),", "another(),")),
    )

    def ask(*_: object, **__: object) -> None:
        cleo.steps("--no-cache")
        monkeypatch.chdir(bob.folder)

    assert bob.mlx("cache", "clear", "--step", "same", "--yes").code == 0
    monkeypatch.setattr(terminal, "confirm", ask)
    freed = bob.mlx("cache", "clear", "--step", "load", "--shared-store")
    assert freed.code == 0 and "freed 0B" in freed.stderr, freed.stderr
    assert list((home / "lake").glob("??/*")), "the entry of `another` speaks of it"


def test_content_that_an_entry_of_a_newer_mlx_may_refer_to_is_not_freed(ada: Checkout, home: Path) -> None:
    key = next(item["key"] for item in rows(ada, "list") if item["name"] == "main::same")
    path = next(path for path in entries(home) if path.name == key)
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":9'))
    ada.mlx("runs", "delete", "latest", "--yes")
    cleared = ada.mlx("cache", "clear", "--step", "load", "--shared-store", "--yes")
    assert cleared.code == 0 and "a newer mlx wrote entries" in cleared.stderr
    assert list((home / "lake").glob("??/*"))


def test_a_repair_removes_nothing_that_could_not_be_read_here_and_tells_what_it_removed_before(
    checkout: Callable[..., Checkout], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    config = (
        "version: 1\ndefault_stack: team\nartifact_stores:\n"
        f"  lake: {{flavor: fsspec, path: 'file://{home}/lake', retries: 0}}\n"
        "stacks:\n  team: {artifact_store: lake}\n"
    )
    last = "@step\ndef last() -> np.ndarray:\n    return np.arange(7000.0)\n\n@pipeline"
    text = FILE.replace("@pipeline", last).replace("total(load())", "total(load()), last()")
    one = checkout("ada", text, config=config)
    key = one.steps()["last"]["cache_key"]
    before = [path.read_bytes() for path in entries(home) if path.name != key]
    next(path for path in (home / "lake").glob("??/*") if path.stat().st_size == 56_128).unlink()
    monkeypatch.setenv("MLX_HOME", str(home / "full"))  # copies are kept there, and it cannot be written
    (home / "full").mkdir()
    (home / "full" / "cache").write_bytes(b"")
    failed = one.mlx("cache", "verify", "--repair", "-o", "json")
    assert failed.code == 1 and "where copies are kept" in failed.stderr
    assert [(item["key"], item["is_removed"]) for item in json.loads(failed.stdout)] == [(key, True)]
    assert len(before) == 3 and [path.read_bytes() for path in entries(home)] == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
def test_a_repair_leaves_what_this_user_cannot_open(tmp_path: Path) -> None:
    store = LocalArtifactStore.at(tmp_path / "lake")
    record = save(np.arange(5000.0), store=store)
    entry = CacheEntry("k", "s", "p", "r", "i", 1.0, "a@b", 2.0, outputs=(output_of("output", record),))
    for path in (*tmp_path.parents[:3], tmp_path, *tmp_path.rglob("*")):
        path.chmod(path.stat().st_mode | 0o055)
    content = tmp_path / "lake" / record.uri
    os.chown(content.parent, 65534, -1)
    content.chmod(0o600)
    os.seteuid(65534)
    try:
        found = list(verify([Slot("k", entry)], store, repair=True))
    finally:
        os.seteuid(0)
    assert [(problem.is_removed, "Permission denied" in problem.what) for problem in found] == [(False, True)]
    assert content.exists()
