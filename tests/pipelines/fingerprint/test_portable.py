"""Paths into the project: another checkout of it has the same cache keys."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import Project

_PLACES = """
    import os
    from pathlib import Path
    HERE = Path(__file__).resolve().parent
    TEXT = os.path.dirname(os.path.abspath(__file__))
    BOTH = {"data": HERE / "data.csv", "more": [HERE, {"text": TEXT + "/x"}]}

    def train():
        return HERE, TEXT, BOTH
"""


@pytest.mark.parametrize("names", ["HERE", "TEXT", "BOTH", "HERE, TEXT, BOTH"])
def test_a_path_into_the_project_counts_without_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = []
    for place in ("one", "quite/another"):
        (tmp_path / place).mkdir(parents=True)
        project = Project(tmp_path / place)
        project.write(train=_PLACES.replace("return HERE, TEXT, BOTH", f"return {names}"))
        monkeypatch.syspath_prepend(str(project.root))
        found.append(project.parts())
        for loaded, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
                del sys.modules[loaded]
    assert found[0] == found[1]


def test_another_path_in_the_project_or_one_outside_is_another_value(project: Project) -> None:
    beside = f"{project.root}-beside/a.csv"  # begins like the project
    keys = set()
    values = [
        "HERE / 'a.csv'",
        "HERE / 'b.csv'",
        "str(HERE / 'a.csv')",
        f"Path({beside!r})",
        f"Path({beside + 'x'!r})",
    ]
    for value in values:
        project.write(train=f"""
            from pathlib import Path
            HERE = Path(__file__).resolve().parent
            K = {value}
            def train():
                return K
        """)  # fmt: skip
        keys.add(project.key())
    assert len(keys) == len(values)
