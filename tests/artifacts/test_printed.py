"""A stored value as text, without running what is stored with it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from mlxkit.artifacts.errors import ArtifactUnreadableError
from mlxkit.artifacts.io import save
from mlxkit.artifacts.printed import printed
from mlxkit.artifacts.store import ArtifactStore


class Trap:
    """Springs when it is opened."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.mark,))


class Colour(Enum):
    red = 1


@dataclass
class Point:
    x: int
    names: list[str]


@pytest.mark.parametrize(
    "value",
    [
        1,
        "text\n",
        b"bytes",
        None,
        [1, "a", (2, 3)],
        {"a": {1, 2}, "b": 1.5, 3: None},
        frozenset({7}),
        float("nan"),
        Path("a/b"),
    ],
)
def test_plain_values_are_printed_as_python_does(store: ArtifactStore, value: Any) -> None:
    assert printed(save(value, store=store), store) == str(value)


def test_what_is_pickled_is_refused_and_not_opened(store: ArtifactStore, tmp_path: Path) -> None:
    mark = tmp_path / "sprung"
    for value in (Trap(str(mark)), {"deep": [Trap(str(mark))]}):
        record = save(value, store=store)
        with pytest.raises(ArtifactUnreadableError, match="would run code") as caught:
            printed(record, store)
        assert "--unpickle" in (caught.value.hint or "")
        assert not mark.exists()
    assert printed(record, store, unpickle=True) == "{'deep': [None]}"
    assert mark.exists()


def test_classes_are_named_without_being_imported(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Box:\n    x: int\n    label: str = 'a'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import elsewhere  # type: ignore[import-not-found]

    record = save({"box": elsewhere.Box(3)}, store=store)
    del sys.modules["elsewhere"]
    (tmp_path / "elsewhere.py").write_text("raise SystemExit('imported')\n")
    assert printed(record, store) == "{'box': Box(x=3, label='a')}"
    assert "elsewhere" not in sys.modules
    assert printed(save([Point(1, ["n"]), Colour.red], store=store), store) == (
        "[Point(x=1, names=['n']), Colour('red')]"
    )


def test_tables_and_arrays_are_printed_by_their_library(store: ArtifactStore) -> None:
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    assert printed(save(frame, store=store), store) == str(frame)
    assert printed(save(np.arange(3), store=store), store) == "[0 1 2]"
    both = {"t": frame, "w": np.arange(3)}
    assert printed(save(both, store=store), store) == str(both)
