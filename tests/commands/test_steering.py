"""What a terminal gets of the text of others."""

from __future__ import annotations

import itertools

import pytest

from mlxkit.commands.steering import Tamed


def tamed(*pieces: str) -> str:
    found = Tamed()
    return "".join(map(found.feed, pieces)) + found.finish()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\r\n", "plain\ttext\r\n"),
        ("50%\r100%\n", "50%\r100%\n"),
        ("\x1b[31mred\x1b[0m\n", "\x1b[31mred\x1b[0m\n"),
        ("\x1b[1;38:5:9mred", "\x1b[1;38:5:9mred\x1b[0m"),
        ("a\x1b]0;owned\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x1b[2J\x1b[1;1Hb\x1b[?1049hc\x1bcd\x1b(0e", "abcde"),
        ("a\x1b[>4mb\x1b[1$mc", "abc"),
        ("bell\x07back\x08\x9b2J\u202e", "bell\\x07back\\x08\\x9b2J\\u202e"),
        ("open \x1b]0;never ended\nnext", "open \\x1b]0;never ended\nnext"),
        ("cut \x1b[3", "cut \\x1b[3"),
        ("cut \x1b", "cut \\x1b"),
        ("a\x1b\x1b[31mb", "a\\x1b\x1b[31mb\x1b[0m"),
        ("hidden \x1b[\x1b[2J2J", "hidden \\x1b[2J"),
    ],
)
def test_colours_pass_and_nothing_else_that_steers(text: str, shown: str) -> None:
    assert tamed(text) == shown


@pytest.mark.parametrize("text", ["a\x1b]0;owned\x07b\x1b[2Jc\x1b[31md\x1b[0m\n", "x\x1b]8;;u\x1b\\y\x1b(0z"])
def test_a_sequence_is_found_across_pieces(text: str) -> None:
    whole = tamed(text)
    for first, second in itertools.combinations(range(len(text) + 1), 2):
        assert tamed(text[:first], text[first:second], text[second:]) == whole


def test_what_never_ends_is_not_waited_for() -> None:
    found = Tamed()
    shown = found.feed("\x1b]0;" + "x" * 10_000)
    assert shown.startswith("\\x1b]0;xxx")
    assert len(shown) > 10_000
