"""Being told of an import when it happens."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlxkit.integrations.mlflow.hook import ImportHook


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("hooked_")]:
        del sys.modules[name]


def test_the_callback_comes_after_the_module_is_complete_and_before_its_importer_goes_on(
    modules: Path,
) -> None:
    (modules / "hooked_one.py").write_text("early = 1\nlate = 2\n")
    seen: list[object] = []
    hook = ImportHook({"hooked_one": lambda: seen.append(sys.modules["hooked_one"].late)})
    hook.install()
    try:
        module = importlib.import_module("hooked_one")
        assert seen == [2]
        assert module.__spec__.loader.exec_module.__self__ is module.__spec__.loader
        importlib.import_module("hooked_one")
        assert seen == [2]
    finally:
        hook.remove()
    assert hook not in sys.meta_path


def test_other_modules_and_modules_after_removal_are_none_of_its_business(modules: Path) -> None:
    (modules / "hooked_two.py").write_text("")
    (modules / "hooked_three.py").write_text("")
    seen: list[str] = []
    hook = ImportHook({"hooked_three": lambda: seen.append("three")})
    hook.install()
    importlib.import_module("hooked_two")
    hook.remove()
    hook.remove()
    importlib.import_module("hooked_three")
    assert seen == []


def test_a_module_that_fails_is_not_told_of_and_can_be_tried_again(modules: Path) -> None:
    (modules / "hooked_four.py").write_text("raise ValueError('broken')\n")
    seen: list[str] = []
    hook = ImportHook({"hooked_four": lambda: seen.append("four")})
    hook.install()
    try:
        with pytest.raises(ValueError, match="broken"):
            importlib.import_module("hooked_four")
        assert seen == []
        (modules / "hooked_four.py").write_text("fine = True\n")
        importlib.invalidate_caches()
        importlib.import_module("hooked_four")
        assert seen == ["four"]
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("hooked_nowhere")
    finally:
        hook.remove()
