"""Credentials inside of addresses: none is shown, however badly it is written, and references stay."""

from __future__ import annotations

import pytest

from mlxkit.stacks.addresses import only_references, userinfo, without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hunter2@h/x", "https://***@h/x"),
        ("https://hunter2@h/x", "https://***@h/x"),
        ("postgresql://u:pa@ss/wo88rd@db/x", "postgresql://***@db/x"),
        ("postgresql://u:pa/hunter2@db/x", "postgresql://***@db/x"),
        ("postgresql://u:pa?hunter2#x@db/x", "postgresql://***@db/x"),
        ("postgresql://u:pa hunter2@db/x", "postgresql://***@db/x"),
        ("postgresql://u:<<x.y>>hunter2@db/x", "postgresql://***@db/x"),
        ("postgresql://u:hunter2\\<<x.y>>@db/x", "postgresql://***@db/x"),
        ("<<s.scheme>>://u:hunter2@db/x", "<<s.scheme>>://***@db/x"),
        ("postgresql://db/x?user=u&password=secretpw88", "postgresql://db/x?user=u&password=***"),
        ("postgresql://db/x?p%61ssword=a;b#c&sslmode=on", "postgresql://db/x?p%61ssword=***&sslmode=on"),
        ("mssql:///?odbc_connect=DRIVER;PWD=hunter2", "mssql:///?odbc_connect=***"),
        ("https://h/#access_token=hunter2", "https://h/#access_token=***"),
        ("see https://u:hunter2@h/x, or mail a@b", "see https://***@h/x, or mail a@b"),
    ],
)
def test_credentials_are_hidden(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
    assert without_credentials(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://<<p.u>>:<<p.k|url>>@db/x",
        "postgresql://u:<<p.k>><<p.l>>@db/x",
        "postgresql://u:{{ p.k | url }}@db/x",
        "postgresql://db/x?user=u&password=<<p.k>>&sslkey=/a/b",
        "https://[::1]:5000/a",
        "s3://bucket/path@v1",
        "sqlite:////home/a@b/x.db",
        "a@b",
        "<<s.uri>>",
        "",
    ],
)
def test_what_holds_none_is_shown_as_it_is(text: str) -> None:
    assert without_credentials(text) == text


def test_only_references_means_nothing_else() -> None:
    assert only_references("<<a.b>>{{ c.d | url }}")
    assert not any(map(only_references, ("", "x<<a.b>>", "<<a.b>>x", "<<a>>", r"\<<a.b>>")))


def test_the_userinfo_reaches_to_the_last_at_sign() -> None:
    assert userinfo("postgresql://u:pa@ss/wo@db/x@y") == "u:pa@ss/wo@db/x"
    assert userinfo("postgresql://u:<<a.b>>@db/x@y") == "u:<<a.b>>"
    assert userinfo("https://h/x@y") == ""
