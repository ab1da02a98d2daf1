from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import traceback

import cloudpickle
import pytest
import yaml
from rich.console import Console

from mlxkit.records import Record
from mlxkit.secrets.masking import mask_text
from mlxkit.secrets.value import SecretValue

CANARY = "S3CR3T-canary-of-value"


@pytest.fixture
def value() -> SecretValue:
    return SecretValue(CANARY)


@dataclasses.dataclass(frozen=True)
class Holder(Record):
    """A record that holds a secret."""

    name: str
    password: SecretValue


def test_only_reveal_gives_the_text(value: SecretValue) -> None:
    assert value.reveal() == CANARY


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        lambda value: f"{value}",
        lambda value: f"{value!r:>40}",
        lambda value: f"{value:>200}",
        lambda value: f"{value}",
        lambda value: "%s %r" % (value, value),  # noqa: UP031
        lambda value: repr([value, {"k": value}]),
        lambda value: repr(Holder("n", value)),
        lambda value: json.dumps(Holder("n", value).to_dict()),
        lambda value: _rich(value),
        lambda value: _logged(value),
        lambda value: _traceback(value),
    ],
)
def test_no_way_of_showing_it_shows_it(value: SecretValue, show: object) -> None:
    shown = show(value)  # type: ignore[operator]
    assert CANARY not in shown
    assert "***" in shown


def _rich(value: SecretValue) -> str:
    out = io.StringIO()
    console = Console(file=out, width=200)
    console.print(value, [value], {"k": value}, Holder("n", value))
    console.print(console.render_str(str(value)))
    try:
        password = value  # noqa: F841 - shown as a local
        raise RuntimeError("x")
    except RuntimeError:
        console.print_exception(show_locals=True)
    return out.getvalue()


def _logged(value: SecretValue) -> str:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logger = logging.getLogger("test-secret-value")
    logger.addHandler(handler)
    logger.warning("password %s", value)
    logger.removeHandler(handler)
    return out.getvalue()


def _traceback(value: SecretValue) -> str:
    try:
        raise ValueError(value)
    except ValueError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        return "".join(lines)


@pytest.mark.parametrize(
    "copy_it",
    [
        pickle.dumps,
        lambda value: pickle.dumps(value, protocol=0),
        lambda value: pickle.dumps({"k": [value]}),
        cloudpickle.dumps,
        lambda value: cloudpickle.dumps(lambda: value),
        copy.copy,
        copy.deepcopy,
        lambda value: dataclasses.asdict(Holder("n", value)),
        json.dumps,
        yaml.safe_dump,
        yaml.dump,
        vars,
    ],
)
def test_nothing_can_take_it_away(value: SecretValue, copy_it: object) -> None:
    with pytest.raises((TypeError, yaml.YAMLError)) as raised:
        copy_it(value)  # type: ignore[operator]
    assert CANARY not in str(raised.value)


def test_it_is_no_text_that_could_be_joined_to_another(value: SecretValue) -> None:
    with pytest.raises(TypeError):
        "x" + value  # type: ignore[operator]
    assert not isinstance(value, str)


def test_two_of_the_same_text_are_equal_and_a_plain_text_is_not() -> None:
    assert SecretValue("päss") == SecretValue("päss")
    assert hash(SecretValue("päss")) == hash(SecretValue("päss"))
    assert SecretValue("päss") != SecretValue("pass")
    assert SecretValue("päss") != "päss"
    assert bool(SecretValue("")) is False
    assert bool(SecretValue("x")) is True


def test_making_one_registers_it_with_the_masker() -> None:
    text = "made-in-this-test-only"
    assert text in mask_text(f"a {text} b")
    SecretValue(text)
    assert mask_text(f"a {text} b") == "a *** b"
