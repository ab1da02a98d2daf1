"""The question before something is done: what it names is written by others, and cannot rewrite it."""

from __future__ import annotations

import io

import pytest

from mlxkit.commands import terminal
from mlxkit.errors import MlxError, UsageError

FORGED = "provider x\x1b[2K\rprovider team (https://good.example)\u202e\n  gets a token\ntrust it?"
SHOWN = "provider x\\x1b[2Kprovider team (https://good.example)\\u202e\n  gets a token\ntrust it?"


def test_a_question_is_shown_with_what_would_steer_the_terminal_written_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "can_ask", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    with pytest.raises(MlxError, match="nothing was changed"):
        terminal.confirm(FORGED, yes=False)
    assert capsys.readouterr().err == f"{SHOWN} [y/N] "


def test_where_nobody_is_there_the_refusal_is_shown_so_too() -> None:
    with pytest.raises(UsageError) as caught:
        terminal.confirm(FORGED, yes=False)
    assert caught.value.message.startswith(SHOWN)
