"""The masker as an engine: every form of a secret, however the text is cut."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import urllib.parse
from collections.abc import Callable, Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlxkit.secrets.masker import ByteMasker, Masker

ENCODINGS: dict[str, Callable[[str], str]] = {
    "exact": str,
    "url": lambda text: urllib.parse.quote(text, safe=""),
    "url path": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "url in lower case": lambda text: re.sub(
        "%..", lambda m: m[0].lower(), urllib.parse.quote(text, safe="")
    ),
    "json": json.dumps,
    "json in utf-8": lambda text: json.dumps(text, ensure_ascii=False),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "html": html.escape,
    "html of text": lambda text: html.escape(text, quote=False),
    "shell": shlex.quote,
    "hex": lambda text: text.encode().hex(),
    "upper hex": lambda text: text.encode().hex().upper(),
}
for _before in ("", "u", "us", "user:"):
    for _after in ("", "!", "@host"):
        for _name, _encode in {"base64": base64.b64encode, "base64url": base64.urlsafe_b64encode}.items():
            ENCODINGS[f"{_name} of {_before}...{_after}"] = lambda text, b=_before, a=_after, e=_encode: e(
                (b + text + a).encode()
            ).decode()

SECRET = "p@ss w0rd/+é\"'\\<&>~"

# Long enough, with something in it that no neighbour of it in the tests has.
secrets = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=12, max_size=40
).filter(lambda text: len(text.strip()) >= 12 and not text.isspace())
quick = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def _cut(text: str, cuts: Iterable[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[begin:end] for begin, end in zip([0, *places], [*places, len(text)], strict=True)]


def _streamed(masker: Masker, pieces: Iterable[str]) -> str:
    return "".join([*(masker.feed(piece) for piece in pieces), masker.finish()])


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_is_masked_at_every_cut(name: str) -> None:
    form = ENCODINGS[name](SECRET)
    core = form.strip("'\"")[4:-8] if name.startswith("base64") else form.strip("'\"b")
    text = f"log: {form} end\n"
    for cut in range(len(text) + 1):
        out = _streamed(Masker([SECRET]), [text[:cut], text[cut:]])
        assert core not in out
        assert "***" in out
        assert out.startswith("log: ")
        assert out.endswith(" end\n")


@quick
@given(secrets, st.sampled_from(sorted(ENCODINGS)), st.lists(st.integers(0, 1000), max_size=8))
def test_no_secret_gets_through_in_any_encoding_and_any_pieces(
    secret: str, name: str, cuts: list[int]
) -> None:
    form = ENCODINGS[name](secret)
    out = _streamed(Masker([secret]), _cut(f"[{form}]", cuts))
    assert form not in out
    assert "***" in out
    if not name.startswith("base64"):
        assert secret.strip() not in out


@quick
@given(
    st.lists(st.text("abc*", min_size=4, max_size=7), min_size=1, max_size=4),
    st.text("abcd*", max_size=40),
    st.lists(st.integers(0, 1000), max_size=8),
)
def test_all_that_belongs_to_a_secret_goes_and_all_else_stays(
    found: list[str], text: str, cuts: list[int]
) -> None:
    exact = _Exact(found)
    out = "".join([*(exact.feed(piece) for piece in _cut(text, cuts)), exact.finish()])
    covered = [
        any(
            text.startswith(secret, at - back)
            for secret in found
            for back in range(len(secret))
            if at >= back
        )
        for at in range(len(text))
    ]
    kept = "".join("\0" if hidden else character for hidden, character in zip(covered, text, strict=True))
    assert out.replace("\1", "") == re.sub("\0+", "", kept)


class _Exact(Masker):
    """The engine with patterns as given, and a mask that no text has."""

    def __init__(self, found: Iterable[str]) -> None:
        super().__init__(())
        self._use(found)
        self._mask = "\1"


@quick
@given(st.text(max_size=200), st.lists(st.integers(0, 1000), max_size=8))
def test_text_without_a_secret_is_not_changed(text: str, cuts: list[int]) -> None:
    assert _streamed(Masker(["\0never-in-a-text\0" * 3]), _cut(text, cuts)) == text


def test_a_secret_that_is_the_beginning_of_another_does_not_give_the_rest_away() -> None:
    masker = Masker(["hunter2-token", "hunter2-token-of-production"])
    assert _streamed(masker, ["hunter2-token", "-of-production", " end"]) == "*** end"
    masker = Masker(["hunter2-token", "hunter2-token-of-production"])
    assert _streamed(masker, ["hunter2-token", "-of-test"]) == "***-of-test"


def test_secrets_that_overlap_are_masked_as_one() -> None:
    for cut in range(14):
        text = "<abcdefghijkl>"
        assert _streamed(Masker(["abcdefgh", "efghijkl"]), [text[:cut], text[cut:]]) == "<***>"


def test_each_line_of_a_long_secret_is_masked() -> None:
    key = "-----BEGIN KEY-----\n  MIIEabcdEFGH1234  \r\nqwertyuiop\nab\n-----END KEY-----\n"
    out = Masker([key]).mask("x MIIEabcdEFGH1234 y\nqwertyuiop\nab\n")
    assert out == "x *** y\n***\nab\n"


@pytest.mark.parametrize("short", ["", "a", "ab", "abc", " ", "\n", "  \n "])
def test_what_is_too_short_masks_nothing(short: str) -> None:
    text = "about abc a\n  \n blank"
    assert Masker([short]).mask(text) == text


def test_a_prompt_is_not_held_back() -> None:
    masker = Masker(["hunter2"])
    assert masker.feed("Password: ") == "Password: "


def test_only_an_end_that_may_become_a_secret_is_held_back() -> None:
    masker = Masker(["hunter2"])
    assert masker.feed("my hunt") == "my "
    assert masker.feed("ing trip") == "hunting trip"


def test_a_flush_shows_a_short_end_and_the_rest_is_still_masked() -> None:
    masker = Masker(["hunter2"])
    assert masker.feed("a hu") == "a "
    assert masker.flush() == "hu"
    assert masker.flush() == ""
    assert masker.feed("nter2 b") == "*** b"
    assert masker.feed("a hunt") == "a "
    assert masker.flush() == ""
    assert masker.finish() == "hunt"


def test_bytes_are_masked_like_text() -> None:
    masker = ByteMasker(["pässwörd"])
    data = "a pässwörd b".encode()
    out = b"".join(masker.feed(bytes([byte])) for byte in data) + masker.finish()
    assert out == b"a *** b"
    assert ByteMasker(["pässwörd"]).feed(b"\xff\x00 any bytes \xfe") == b"\xff\x00 any bytes \xfe"


def test_without_secrets_the_very_same_text_comes_back() -> None:
    text = "x" * 1000
    assert Masker([]).feed(text) is text


def test_a_value_that_looks_like_a_pattern_is_taken_as_text() -> None:
    assert Masker(["(a|b)*[^c]{4}$"]).mask("aaaa (a|b)*[^c]{4}$") == "aaaa ***"
    assert Masker(["]^-x\\d"]).mask("1234 ]^-x\\d") == "1234 ***"
