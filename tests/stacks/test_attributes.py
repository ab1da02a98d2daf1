"""Attributes: from text to their types, references as they are stored, and nothing secret shown."""

from __future__ import annotations

from typing import Any

import pytest

from mlxkit.stacks.attributes import (
    InvalidAttributeError,
    check_attributes,
    from_text,
    masked,
    normalised,
    plain_credentials,
    texts,
    typed,
)
from mlxkit.stacks.flavors import Attribute, Flavor

FLAVOR = Flavor(
    "orchestrator",
    "test",
    (
        Attribute("host", "str", "Host.", required=True),
        Attribute("password", "str", "Password.", secret=True),
        Attribute("count", "int", "Count."),
        Attribute("share", "float", "Share."),
        Attribute("wait", "bool", "Wait."),
        Attribute("labels", "map", "Labels."),
        Attribute("workers", "count", "Workers."),
    ),
    "x:Y",
    "Test.",
)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("host", "true", "true"),
        ("wait", "true", True),
        ("wait", "Yes", True),
        ("wait", "1", True),
        ("wait", "off", False),
        ("count", "12", 12),
        ("count", "-3", -3),
        ("share", "0.5", 0.5),
        ("share", "1e-3", 0.001),
        ("labels", '{"a": "b"}', {"a": "b"}),
        ("labels", "{}", {}),
        ("count", "<<s.count>>", "<<s.count>>"),
        ("wait", "{{s.wait}}", "{{s.wait}}"),
    ],
)
def test_text_becomes_the_type_of_the_attribute(name: str, text: str, value: object) -> None:
    assert typed(FLAVOR, {name: text}) == {name: value}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("wait", "perhaps", "wait: has to be true or false, not 'perhaps'"),
        ("count", "1.5", "count: has to be a whole number, not '1.5'"),
        ("share", "half", "share: has to be a number, not 'half'"),
        ("labels", "a=b", "labels: has to be a map such as '{\"team\": \"vision\"}', not 'a=b'"),
        ("labels", "[1]", "labels: has to be a map such as '{\"team\": \"vision\"}', not '[1]'"),
        ("hots", "x", "hots: flavor 'test' has no such attribute (did you mean 'host'?)"),
    ],
)
def test_text_that_does_not_fit_is_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(InvalidAttributeError) as caught:
        typed(FLAVOR, {name: text})
    assert caught.value.message == message


def test_what_does_not_fit_a_secret_attribute_is_not_repeated() -> None:
    with pytest.raises(InvalidAttributeError) as caught:
        from_text(Attribute("pin", "int", "Pin.", secret=True), "hunter2")
    assert "hunter2" not in caught.value.message


def test_a_required_attribute_is_missed() -> None:
    with pytest.raises(InvalidAttributeError, match=r"^host: missing: flavor 'test' needs it$"):
        check_attributes(FLAVOR, "x", {"count": 1})


@pytest.mark.parametrize("value", [True, 1.5, "1", None, [1]])
def test_a_wrong_type_in_the_file_is_refused(value: object) -> None:
    with pytest.raises(InvalidAttributeError, match=r"^count: has to be a whole number$"):
        check_attributes(FLAVOR, "x", {"host": "h", "count": value})


def test_references_are_stored_in_one_spelling_wherever_they_are() -> None:
    assert normalised({"host": "https://{{ s.host }}/x", "labels": {"by": "{{s.who|url}}"}, "count": 1}) == {
        "host": "https://<<s.host>>/x",
        "labels": {"by": "<<s.who|url>>"},
        "count": 1,
    }


def test_what_only_looks_like_a_reference_is_refused_with_its_attribute() -> None:
    with pytest.raises(InvalidAttributeError, match=r"^labels.by: '<<who>>' is not a reference"):
        normalised({"labels": {"by": "<<who>>"}})


def test_credentials_are_shown_only_as_references() -> None:
    assert masked(FLAVOR, {"password": "hunter2", "host": "h"}) == {"password": "***", "host": "h"}
    assert masked(FLAVOR, {"password": "<<s.k>>"}) == {"password": "<<s.k>>"}
    assert masked(FLAVOR, {"password": "Bearer <<s.k>>"}) == {"password": "Bearer <<s.k>>"}
    assert masked(FLAVOR, {"password": r"hunter2\<<s.k>>"}) == {"password": "***"}
    assert masked(FLAVOR, {"password": "<<hunter2"}) == {"password": "***"}
    assert masked(FLAVOR, {"password": 123456}) == {"password": "***"}
    assert masked(FLAVOR, {"host": "https://me:hunter2@example.com"}) == {"host": "https://***@example.com"}
    assert masked(FLAVOR, {"host": "db://u:<<s.k>>hunter2@h"}) == {"host": "db://***@h"}
    assert masked(FLAVOR, {"labels": {"by": "db://u:hunter2@h"}}) == {"labels": {"by": "db://***@h"}}


@pytest.mark.parametrize(
    "attributes",
    [
        {"host": "db://u:hunter2@h"},
        {"host": "db://u:<<s.k>>hunter2@h"},
        {"host": "db://h/x?password=hunter2"},
        {"host": "h", "labels": {"by": "db://u:hunter2@h"}},
    ],
)
def test_credentials_inside_any_address_are_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(InvalidAttributeError, match="holds credentials in plain text") as caught:
        check_attributes(FLAVOR, "x", attributes)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"
    check_attributes(FLAVOR, "x", {"host": "db://u:<<s.k|url>>@h"})


def test_without_the_flavor_whatever_sounds_secret_is_masked() -> None:
    shown = masked(
        None, {"api_key": "a", "auth_token": "b", "password": "c", "region": "eu", "db_secret": "<<s.k>>"}
    )
    assert shown == {
        "api_key": "***",
        "auth_token": "***",
        "password": "***",
        "region": "eu",
        "db_secret": "<<s.k>>",
    }


def test_plain_credentials_are_found() -> None:
    assert plain_credentials(FLAVOR, {"password": "x", "host": "y"}) == ["password"]
    assert plain_credentials(FLAVOR, {"password": "<<s.k>>"}) == []
    assert plain_credentials(FLAVOR, {"host": "db://u:x@h", "labels": {"by": "db://u:x@h"}}) == [
        "host",
        "labels.by",
    ]


def test_every_text_has_a_path() -> None:
    assert dict(texts({"a": "1", "b": {"c": "2", "d": 3}, "e": True})) == {"a": "1", "b.c": "2"}


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("4", 4), ("0", 0)])
def test_a_count_is_a_number_or_auto(text: str, value: object) -> None:
    assert typed(FLAVOR, {"workers": text}) == {"workers": value}
    check_attributes(FLAVOR, "mine", {"host": "h", "workers": value})


@pytest.mark.parametrize("text", ["-1", "many", "", "1.5"])
def test_nothing_else_is_a_count(text: str) -> None:
    with pytest.raises(InvalidAttributeError, match="workers: has to be a whole number, or auto"):
        typed(FLAVOR, {"workers": text})


@pytest.mark.parametrize("value", [True, -1, 1.5, ["auto"]])
def test_a_count_in_a_file_is_a_number_or_auto_too(value: object) -> None:
    with pytest.raises(InvalidAttributeError, match="workers: has to be a whole number, or auto"):
        check_attributes(FLAVOR, "mine", {"host": "h", "workers": value})
