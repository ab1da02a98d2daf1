"""The record of moves stays whole: over deleted versions, for what was judged, and as it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from mlxkit.errors import ExitCode, NotFoundError, UsageError
from tests.fixtures.shelf import BETTER, GOOD, ODD, Shelf


def test_rollback_passes_over_versions_that_were_deleted(mlx: Any, shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER, ODD)
    service, name = shelf.service, shelf.name
    for number in (1, 2, 3):
        service.promote(f"{name}:{number}", "production")
    service.delete(f"{name}:2")
    done = mlx("model", "rollback", name, "--stage", "production")
    assert f"{name}:2 was production before, and is deleted" in done.stderr
    assert f"{name}:1 is production now ({name}:3 was)" in done.stderr
    assert shelf.aliases() == {"production": 1}


def test_history_keeps_the_moves_onto_a_version_that_is_deleted(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    service, name = shelf.service, shelf.name
    service.promote(f"{name}:1", "production", why="the first", conditions=["val_rmse < 1"])
    service.promote(f"{name}:2", "production", why="better")
    before = service.history(name)
    service.delete(f"{name}:1")
    assert service.history(name) == before
    service.delete(f"{name}:2", force=True)
    gone, *kept = service.history(name)
    assert (gone.alias, gone.version, gone.is_recorded) == ("production", None, False)
    assert kept == before
    assert dict(service.registry.model(name).tags).keys() == {
        key for key in service.registry.model(name).tags if key.startswith("mlx.move.")
    }


def test_conditions_are_judged_also_of_a_version_that_is_there_already(mlx: Any, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD)
    local_shelf.service.promote("iris:1", "production")
    argv = ["model", "promote", "iris:1", "--to", "production", "--if"]
    done = mlx(*argv, "val_rmse < 0.8")
    assert done.stdout == "val_rmse < 0.8\t0.75\t0.8\tyes\n"
    assert "iris:1 is production already; nothing was changed" in done.stderr
    done = mlx(*argv, "val_rmse < 0.5")
    assert done.code == ExitCode.failed
    assert done.stdout == "val_rmse < 0.5\t0.75\t0.5\tno\n"
    assert "iris:1 is production already, but 1 of 1 conditions does not hold" in done.stderr
    with pytest.raises(NotFoundError, match="has no metric 'val_rsme'"):
        local_shelf.service.promote("iris:1", "production", conditions=["val_rsme < 1"])
    assert local_shelf.aliases() == {"production": 1}


def test_history_shows_what_a_move_was_and_on_what_evidence(mlx: Any, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD, BETTER)
    service = local_shelf.service
    service.promote("iris:1", "production")
    service.promote("iris:2", "production", conditions=["val_rmse < @production.val_rmse", "accuracy > 0.9"])
    service.rollback("iris", "production")
    lines = mlx("model", "history", "iris").stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["rollback", "promote", "promote"]
    assert lines[1].endswith("\tval_rmse < @production.val_rmse (0.7, 0.75); accuracy > 0.9 (0.92, 0.9)")


def test_a_reason_that_is_too_long_is_refused_as_one(local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD)
    service = local_shelf.service
    for dry_run in (True, False):
        with pytest.raises(UsageError, match="the reason has 2001 characters, and 2000 is the most"):
            service.promote("iris", "production", why="x" * 2001, dry_run=dry_run)
    service.promote("iris", "production", why="ü" * 2000)
    with pytest.raises(UsageError, match="the reason has"):
        service.unset("iris", "production", why="x" * 2001)
    with pytest.raises(UsageError, match="the reason has"):
        service.rollback("iris", "production", why="x" * 2001)
