from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from uuid import UUID

import pydantic
import pytest

from mlxkit.errors import UsageError
from mlxkit.pipelines.convert import convert, fit
from mlxkit.pipelines.parameters import (
    Text,
    bind,
    call_arguments,
    override_arguments,
    parse_assignments,
    parse_flags,
)


class Mode(enum.Enum):
    fast = "f"
    slow = "s"


class Level(enum.IntEnum):
    low = 1
    high = 2


@dataclass
class Optimizer:
    name: str
    lr: float = 0.1
    modes: list[Mode] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.lr < 0:
            raise ValueError("lr is negative")


class Point(NamedTuple):
    x: int
    y: int = 0


class Model(pydantic.BaseModel):
    layers: int
    since: datetime.date | None = None


class Options(TypedDict, total=False):
    depth: int


Rows = NewType("Rows", int)
ID = "12345678-1234-5678-1234-567812345678"


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
        (None, bool | None, True),
        ("1,2", tuple[int, ...], (1, 2)),
        ("1,b", tuple[int, str], (1, "b")),
        ("[1, 2]", tuple, (1, 2)),
        ("1, 2,2", set[int], {1, 2}),
        ("a", frozenset[str], frozenset({"a"})),
        ("", list[int], []),
        ("1,2", Sequence[int], [1, 2]),
        ("1,2", list[str], ["1", "2"]),
        ("fast,s", list[Mode], [Mode.fast, Mode.slow]),
        ("a,b", set[Literal["a", "b"]], {"a", "b"}),
        ("1,none", list[int | None], [1, None]),
        ("[[1], [2, 3]]", list[list[float]], [[1.0], [2.0, 3.0]]),
        ('{"a": 1}', Mapping[str, float], {"a": 1.0}),
        ('{"1": "fast"}', dict[int, Mode], {1: Mode.fast}),
        ("2024-02-29", datetime.date, datetime.date(2024, 2, 29)),
        (
            "2024-02-29T10:00:00Z",
            datetime.datetime,
            datetime.datetime(2024, 2, 29, 10, tzinfo=datetime.timezone.utc),
        ),
        ("10:30", datetime.time, datetime.time(10, 30)),
        ("é", bytes, b"\xc3\xa9"),
        ("0.10", Decimal, Decimal("0.10")),
        (ID, UUID, UUID(ID)),
        ("2", Level, Level.high),
        ("true", Literal[True, "auto"], True),
        ("slow", Literal[Mode.slow], Mode.slow),
        ("5", Rows, 5),
        ('{"depth": 3, "other": "x"}', Options, {"depth": 3, "other": "x"}),
        ('{"name": "sgd", "modes": ["f"]}', Optimizer, Optimizer("sgd", 0.1, [Mode.fast])),
        ('{"x": 1}', Point, Point(1, 0)),
        (
            '{"layers": 2, "since": "2024-01-01"}',
            Model,
            Model(layers=2, since=datetime.date(2024, 1, 1)),
        ),
        ("a,b", str | list[str], "a,b"),
        ('["a", "b"]', str | list[str], ["a", "b"]),
        ("1,2", int | list[int], [1, 2]),
        ("a", bytes | str, "a"),
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
        ("1.5", int, "p: x: '1.5' is not an int"),
        ("maybe", bool, "p: x: 'maybe' is not a bool"),
        ("c", Literal["a", "b"], "p: x: 'c' is not one of a, b"),
        ("slwo", Mode, "p: x: 'slwo' is not one of fast, slow (did you mean 'slow'?)"),
        (None, float, "p: x needs a value"),
        ("x", int | None, "p: x: 'x' is not a"),
        ("[1]", dict, "p: x: '[1]' is not a dict"),
        ("1,b", list[int], "p: x[1]: 'b' is not an int"),
        ("[1, true]", list[int], "p: x[1]: true is not an int"),
        ('["a", 5]', list[str], "p: x[1]: 5 is not a str"),
        ('{"a": 1}', list[int], "p: x: '{\"a\": 1}' is not a list[int]"),
        ("1,2,3", tuple[int, str], "p: x: '1,2,3' is not a tuple[int, str]: 3 items, not 2"),
        ("1,b", tuple[int, ...], "p: x[1]: 'b' is not an int"),
        ("b", set[int], "p: x[0]: 'b' is not an int"),
        ("[[1]]", set[list[int]], "is not a set[list[int]]"),
        ("fast,slwo", list[Mode], "p: x[1]: 'slwo' is not one of fast, slow (did you mean 'slow'?)"),
        ('{"a": "much"}', Mapping[str, float], "p: x.a: 'much' is not a float"),
        ('{"a": 1}', dict[int, int], "p: x: key: 'a' is not an int"),
        ("{a: 1}", dict[str, int], "p: x: '{a: 1}' is not a dict[str, int]"),
        ("2024-02-30", datetime.date, "p: x: '2024-02-30' is not a date"),
        ("noon", datetime.time, "p: x: 'noon' is not a time"),
        ("much", Decimal, "p: x: 'much' is not a Decimal"),
        ("1-2", UUID, "p: x: '1-2' is not a UUID"),
        ("slwo", Mode | None, "is not one of fast, slow (did you mean 'slow'?)"),
        ("x", int | float, "p: x: 'x' is not an int | float"),
        ("many", Rows, "p: x: 'many' is not an int"),
        (
            "sgd",
            Optimizer,
            "p: x: 'sgd' is not an Optimizer (a map of its fields; on the command line a JSON",
        ),
        ('{"nmae": "sgd"}', Optimizer, "Optimizer has no field 'nmae' (did you mean 'name'?)"),
        ("{}", Optimizer, "p: x: Optimizer needs a value for name"),
        ('{"name": "sgd", "lr": "x"}', Optimizer, "p: x.lr: 'x' is not a float"),
        ('{"name": "sgd", "lr": -1}', Optimizer, "p: x: lr is negative"),
        ('{"layers": "x"}', Model, "p: x: layers: Input should be a valid integer"),
        ('{"depth": "deep"}', Options, "p: x.depth: 'deep' is not an int"),
        ("[" * 100_000, list[int], "is not"),
        ("9" * 5000, int, "is not an int"),
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


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (5, int, 5),
        (1, float, 1.0),
        ("1e3", float, 1000.0),
        ("red", str, "red"),
        ("5", Any, "5"),
        ("slow", Mode, Mode.slow),
        (2, Level, Level.high),
        ("/data", Path, Path("/data")),
        ("/data", Path | str, Path("/data")),
        ("5", int | str, "5"),
        ("none", str | None, "none"),
        (None, str | None, None),
        (5, float | int, 5),
        ("2024-01-01", datetime.date, datetime.date(2024, 1, 1)),
        (0.1, Decimal, Decimal("0.1")),
        (["slow", "f"], list[Mode], [Mode.slow, Mode.fast]),
        ([1, 2], set[int], {1, 2}),
        ([1, "b"], tuple[int, str], (1, "b")),
        ("1,2", list[int], [1, 2]),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        ({"name": "sgd"}, Optimizer, Optimizer("sgd")),
        (Mode.fast, Mode, Mode.fast),
        ({1: "made by Python"}, Mapping, {1: "made by Python"}),
        ("text", Callable, "text"),
        ("text", [int], "text"),
    ],
)
def test_data_of_a_file_is_checked_and_its_text_becomes_what_the_annotation_asks_for(
    value: Any, annotation: Any, expected: Any
) -> None:
    read = fit(value, annotation, "p: x")
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        ("abc", int, "p: x: 'abc' is not an int"),
        (True, int, "p: x: true is not an int"),
        (1.5, int, "p: x: 1.5 is not an int"),
        (1, bool, "p: x: 1 is not a bool"),
        (None, int, "p: x: null is not an int"),
        (10**400, float, "is not a float"),
        (5, str, "p: x: 5 is not a str"),
        (["a"], int, "p: x: ['a'] is not an int"),
        (5, list[int], "p: x: 5 is not a list[int]"),
        ([1, None], list[int], "p: x[1]: null is not an int"),
        ({"a": [1, "b"]}, dict[str, list[int]], "p: x.a[1]: 'b' is not an int"),
        (5, Path, "p: x: 5 is not a Path"),
        (20240101, datetime.date, "p: x: 20240101 is not a date"),
        (1, UUID, "p: x: 1 is not a UUID"),
        (True, Literal["on", "off"], "p: x: true is not one of on, off"),
        (1, Literal[True], "p: x: 1 is not one of True"),
        (3, Level, "p: x: 3 is not one of low, high"),
        (3, Mode | None, "p: x: 3 is not one of fast, slow"),
        ("x" * 500, int, "…"),
    ],
)
def test_data_of_a_file_that_does_not_fit_is_refused(value: Any, annotation: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        fit(value, annotation, "p: x")
    assert message in caught.value.message
    assert len(caught.value.message) < 200


def test_text_that_yaml_takes_for_something_else_is_told_how_to_be_written() -> None:
    for value, annotation in [(1.10, str), (True, Literal["on", "off"])]:
        with pytest.raises(UsageError) as caught:
            fit(value, annotation, "p: x")
        assert "in quotes" in str(caught.value.hint)


def typed(mode: Mode, i: int = 3, path: Path = Path(), size=0, later: int = None) -> None: ...  # type: ignore  # noqa: RUF013


def file_only(**config: Any) -> dict[str, Any]:
    return bind(typed, "pipeline 'p'", (), {}, config={"mode": "fast", **config}, overrides={})


def test_values_of_a_file_reach_the_body_as_their_types() -> None:
    values = file_only(i="7", path="/data", size=0.5, later=None)
    assert values == {"mode": Mode.fast, "i": 7, "path": Path("/data"), "size": 0.5, "later": None}


def test_a_value_of_a_file_that_does_not_fit_is_named_with_the_pipeline() -> None:
    with pytest.raises(UsageError, match=r"^pipeline 'p': i: 'abc' is not an int$"):
        file_only(i="abc")
    with pytest.raises(UsageError, match=r"^pipeline 'p': i: null is not an int$"):
        file_only(i=None)


def test_an_annotation_that_only_a_type_checker_knows_leaves_the_others_checked() -> None:
    def partly(frame: OnlyForTypeCheckers, rows: int) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    def bound(rows: str) -> Any:
        return bind(partly, "p", (), {}, config={"frame": "a"}, overrides={"rows": Text(rows)})

    assert bound("5") == {"frame": "a", "rows": 5}
    with pytest.raises(UsageError, match="p: rows: 'x' is not an int"):
        bound("x")


def echo(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    args, kwargs = call_arguments(function, values)
    return function(*args, **kwargs)


def positional(a: int, b: int = 2, /, *, c: int = 3) -> Any:
    return a, b, c


def with_rest(a: int, /, b: int = 2, *rest: int, c: int = 3, **others: float) -> Any:
    return a, b, rest, c, others


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "overrides", "expected"),
    [
        (positional, (1,), {}, {}, (1, 2, 3)),
        (positional, (), {}, {"a": "5", "c": "6"}, (5, 2, 6)),
        (positional, (1,), {}, {"b": "7"}, (1, 7, 3)),
        (with_rest, (1,), {}, {}, (1, 2, (), 3, {})),
        (with_rest, (1, 4, 5, 6), {"c": 7}, {}, (1, 4, (5, 6), 7, {})),
        (with_rest, (1, 4, 5, 6), {}, {"b": "9"}, (1, 9, (5, 6), 3, {})),
        (with_rest, (1,), {}, {"rest": "5,6"}, (1, 2, (5, 6), 3, {})),
        (with_rest, (1,), {"x": 1.5}, {"x": "2", "y": "3"}, (1, 2, (), 3, {"x": 2.0, "y": 3.0})),
        (with_rest, (1,), {"a": 8.0, "others": 9.0}, {}, (1, 2, (), 3, {"a": 8.0, "others": 9.0})),
        (with_rest, (), {}, {"a": "1"}, (1, 2, (), 3, {})),
    ],
)
def test_bound_values_are_passed_as_the_function_takes_them(
    function: Any, args: Any, kwargs: Any, overrides: dict[str, str], expected: Any
) -> None:
    texts = {name: Text(value) for name, value in overrides.items()}
    values = bind(function, "pipeline 'p'", args, kwargs, config={}, overrides=texts)
    assert echo(function, values) == expected


def test_what_goes_to_any_keyword_is_recorded_under_its_own_name_and_checked() -> None:
    values = bind(with_rest, "p", (1,), {"x": 1.5}, config={"y": 2}, overrides={})
    assert values == {"a": 1, "b": 2, "c": 3, "x": 1.5, "y": 2.0}
    with pytest.raises(UsageError, match=r"p: rest\[1\]: 'b' is not an int"):
        bind(with_rest, "p", (1,), {}, config={}, overrides={"rest": Text("1,b")})
    with pytest.raises(UsageError, match="p: y: 'b' is not a float"):
        bind(with_rest, "p", (1,), {}, config={"y": "b"}, overrides={})
    with pytest.raises(UsageError, match="p has no parameter 'others'"):
        bind(with_rest, "p", (1,), {}, config={"others": {}}, overrides={})


def scaled(x: Any, k: int = 1, mode: Mode = Mode.fast) -> Any:
    return x, k, mode


@pytest.mark.parametrize(
    ("args", "kwargs"), [(("x", 3), {}), (("x",), {"k": 3}), ((), {"x": "x", "k": 3}), (("x",), {})]
)
def test_a_file_wins_over_an_argument_however_it_was_passed(args: Any, kwargs: Any) -> None:
    new_args, new_kwargs = override_arguments(
        scaled, args, kwargs, {"k": 5, "mode": "slow"}, owner="step 's'"
    )
    assert scaled(*new_args, **new_kwargs) == ("x", 5, Mode.slow)


def test_a_file_wins_over_positional_only_arguments_and_leaves_the_rest_in_place() -> None:
    args, kwargs = override_arguments(with_rest, (1, 2, 3, 4), {}, {"a": 5}, owner="step 's'")
    assert with_rest(*args, **kwargs) == (5, 2, (3, 4), 3, {})
    args, kwargs = override_arguments(positional, (1,), {}, {"b": 5}, owner="step 's'")
    assert positional(*args, **kwargs) == (1, 5, 3)


def test_arguments_that_no_file_speaks_of_are_left_as_they_are() -> None:
    assert override_arguments(scaled, ("x", 3), {"mode": 1}, {}, owner="s") == (["x", 3], {"mode": 1})
    args, kwargs = override_arguments(positional, (), {}, {"b": 5}, owner="s")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        positional(*args, **kwargs)


@pytest.mark.parametrize(
    ("args", "overrides", "message"),
    [
        (
            (1,),
            {"mdoe": 5},
            r"step 's' has no parameter 'mdoe' \(did you mean 'mode'\?\); its parameters: x, k",
        ),
        ((1,), {"k": "abc"}, "step 's': k: 'abc' is not an int"),
        ((1, 2, 3, 4), {"k": 5}, "step 's': too many positional arguments"),
    ],
)
def test_a_file_that_does_not_fit_a_step_is_a_usage_error(args: Any, overrides: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        override_arguments(scaled, args, {}, overrides, owner="step 's'")
