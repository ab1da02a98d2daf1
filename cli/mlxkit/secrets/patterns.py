"""The forms under which a secret can turn up in output: as it is, encoded, and line by line."""

from __future__ import annotations

MIN_LENGTH = 4  # shorter ones would mask ordinary text
_MIN_BASE64 = 8  # the part of a base64 text that does not depend on its neighbours


def patterns(value: str) -> frozenset[str]:
    """Return every text that stands for `value`; empty when it is too short to be masked."""
    stripped = value.strip()
    if len(stripped) < MIN_LENGTH:
        return frozenset()
    found: set[str] = set()
    for text in {value, stripped}:
        found |= _written(text) | _binary(text)
    for line in stripped.splitlines():
        found |= _written(line.strip())
    return frozenset(text for text in found if len(text) >= MIN_LENGTH)


def _written(text: str) -> set[str]:
    """Return the text, and the text as a URL, JSON, Python, HTML and a shell would write it."""
    if len(text) < MIN_LENGTH:
        return set()
    import html
    import json
    import shlex
    from urllib.parse import quote, quote_plus

    data = text.encode("utf-8", "surrogatepass")
    return {
        text,
        quote(data, safe=""),
        quote(data),
        quote_plus(data),
        _lower_escapes(quote(data, safe="")),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        repr(data)[2:-1],
        html.escape(text),
        html.escape(text, quote=False),
        shlex.quote(text).strip("'"),
    }


def _binary(text: str) -> set[str]:
    """Return the text as hexadecimal, and as base64 wherever it starts inside what was encoded."""
    if len(text) < MIN_LENGTH:
        return set()
    import base64

    data = text.encode("utf-8", "surrogatepass")
    found = {data.hex(), data.hex().upper(), base64.b64encode(data).decode("ascii")}
    for shift in range(3):
        first = (shift * 8 + 5) // 6
        last = (shift + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(b"\0" * shift + data).decode("ascii")[first:last]
            if len(core) >= _MIN_BASE64:
                found.add(core)
    return found


def _lower_escapes(quoted: str) -> str:
    """Return the URL form with `%2f` for `%2F`, as some servers write it."""
    import re

    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
