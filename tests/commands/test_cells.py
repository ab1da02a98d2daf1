"""Values on one line, as people and pipes get them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from mlxkit.commands.cells import cell, for_people


@pytest.mark.parametrize("column", ["started", "created", "updated", "last_started"])
def test_people_are_shown_how_long_ago_it_was(column: str) -> None:
    moment = (datetime.now(timezone.utc) - timedelta(hours=3, minutes=5)).isoformat()
    assert for_people(column, moment) == "3 hours ago"
    assert cell(moment) == moment


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\r\nc", "a b\\nc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc\u2028", "\\u202eabc\\u2028"),
        ("ünïcödé 漢字 👩‍🔬", "ünïcödé 漢字 👩‍🔬"),
    ],
)
def test_what_steers_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert cell(text) == shown
    assert cell({text: [text]}) == f"{shown}={shown}"
    assert for_people("description", text) == shown
