from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from mlxkit.errors import UsageError
from mlxkit.pipelines.parameters import Text, bind, convert, parse_assignments, parse_flags


class Mode(enum.Enum):
    fast = "f"
    slow = "s"


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("3", int, 3),
        ("1e-3", float, 0.001),
        ("3", float, 3.0),
        ("3", str, "3"),
        ("yes", bool, True),
        ("False", bool, False),
        ("a/b", Path, Path("a/b")),
        ("[1, 2]", list, [1, 2]),
        ("1,2", list[int], [1, 2]),
        ('{"a": 1}', dict[str, int], {"a": 1}),
        ("none", int | None, None),
        ("7", int | None, 7),
        ("x", int | str, "x"),
        ("5", int | str, 5),
        ("b", Literal["a", "b"], "b"),
        ("slow", Mode, Mode.slow),
        ("s", Mode, Mode.slow),
        ("4", Annotated[int, "rows"], 4),
        ("0.5", Any, 0.5),
        ("word", Any, "word"),
        (None, bool, True),
    ],
)
def test_text_becomes_what_the_annotation_asks_for(text: str | None, annotation: Any, value: Any) -> None:
    converted = convert(text, annotation, "p: x")
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("fast", float, "p: x: 'fast' is not a float"),
        ("1.5", int, "p: x: '1.5' is not a int"),
        ("maybe", bool, "p: x: 'maybe' is not a bool"),
        ("c", Literal["a", "b"], "p: x: 'c' is not one of a, b"),
        ("slwo", Mode, "p: x: 'slwo' is not one of fast, slow (did you mean 'slow'?)"),
        (None, float, "p: x needs a value"),
        ("x", int | None, "p: x: 'x' is not a"),
        ("[1]", dict, "p: x: '[1]' is not a dict"),
    ],
)
def test_text_that_does_not_fit_is_named_with_its_type(
    text: str | None, annotation: Any, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        convert(text, annotation, "p: x")
    assert message in caught.value.message


def train(lr: float = 0.1, epochs: int = 3, *, shuffle: bool = False, name: str = "m") -> None: ...


def test_flags_after_the_file_are_parameters_with_and_without_a_value() -> None:
    found, loose = parse_flags(["--lr", "0.5", "--shuffle", "--epochs=7", "--name", "-3", "word"])
    assert found == {"lr": Text("0.5"), "shuffle": Text(None), "epochs": Text("7"), "name": Text("-3")}
    assert loose == ["word"]


def test_a_negative_number_is_a_value_and_not_a_flag() -> None:
    assert parse_flags(["--lr", "-0.5"]) == ({"lr": Text("-0.5")}, [])


def test_the_command_line_wins_over_the_file_the_call_and_the_default() -> None:
    values = bind(
        train,
        "pipeline 'train'",
        (0.2,),
        {"epochs": 4},
        config={"epochs": 5, "name": "c"},
        overrides={"name": Text("o")},
    )
    assert values == {"lr": 0.2, "epochs": 5, "name": "o", "shuffle": False}


def test_a_misspelt_parameter_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        UsageError,
        match=r"has no parameter 'epoch' \(did you mean 'epochs'\?\); its parameters: lr, epochs, shuffle, name",
    ):
        bind(train, "pipeline 'train'", (), {}, config={}, overrides={"epoch": Text("1")})


def test_a_missing_parameter_is_named_with_the_option_that_sets_it() -> None:
    def needs(rows: int) -> None: ...

    with pytest.raises(UsageError, match="needs a value for rows") as caught:
        bind(needs, "pipeline 'needs'", (), {}, config={}, overrides={})
    assert caught.value.hint == "-p rows=VALUE"


def test_an_assignment_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(UsageError, match="-p takes name=value, not 'lr'"):
        parse_assignments(["lr"])
