from __future__ import annotations

import pytest

from mlxkit.secrets.payload import decode, encode


def test_an_entry_is_one_line_of_ascii() -> None:
    text = encode({"username": "ü", "password": "a\nb\u2028"})
    assert text == '{"username":"\\u00fc","password":"a\\nb\\u2028"}'
    assert decode(text) == {"username": "ü", "password": "a\nb\u2028"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("bare-token", {"value": "bare-token"}),
        ("", {"value": ""}),
        ('"quoted"', {"value": '"quoted"'}),
        ("12345678901234567890123", {"value": "12345678901234567890123"}),
        ("[1, 2]", {"value": "[1, 2]"}),
        ("{broken", {"value": "{broken"}),
        ("[" * 100_000, {"value": "[" * 100_000}),
        ('{"not a key": "x"}', {"value": '{"not a key": "x"}'}),
        ('{"port": 5432, "ratio": 1.10}', {"port": "5432", "ratio": "1.10"}),
        ('{"on": true, "off": null}', {"on": "true", "off": "null"}),
        ('{"nested": {"a": [1]}}', {"nested": '{"a": [1]}'}),
        (
            '{"nested": {"port": 5432, "rate": 1.50, "s": "1", "n": [null, true, 1e3]}, "u": 1}',
            {"nested": '{"port": 5432, "rate": 1.50, "s": "1", "n": [null, true, 1e3]}', "u": "1"},
        ),
    ],
)
def test_what_others_wrote_is_read_as_well_as_possible(text: str, values: dict[str, str]) -> None:
    assert decode(text) == values
