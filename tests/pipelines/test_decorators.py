from __future__ import annotations

import functools
from typing import Any

import pytest

from mlxkit import pipeline, step
from mlxkit.errors import ConfigError


def test_what_would_never_run_is_refused_when_it_is_decorated() -> None:
    async def coroutine() -> None: ...

    def generator() -> Any:
        yield 1

    with pytest.raises(TypeError, match="coroutine is async"):
        step(coroutine)
    with pytest.raises(TypeError, match="coroutine is async"):
        pipeline(coroutine)
    with pytest.raises(TypeError, match="generator is a generator"):
        pipeline(generator)
    with pytest.raises(TypeError, match="decorates a function, not int"):
        step(3)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("retries", "message"),
    [
        (-1, "cannot be negative"),
        ("x", "not str"),
        ({"max_retrys": 1}, "did you mean 'max_retries'"),
        ({"delay": -1}, "cannot be negative"),
    ],
)
def test_retries_that_make_no_sense_are_refused(retries: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        step(retries=retries)(lambda: None)


@pytest.mark.parametrize("name", ["a/b", "x" * 121, "line\nbreak", "a:b", "..\\x"])
def test_a_name_that_could_not_name_a_log_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="up to 120 characters"):
        step(name=name)(lambda: None)


def test_options_of_a_variant_are_kept_by_its_variants() -> None:
    @pipeline
    def p() -> None: ...

    variant = p.with_options(run_name="mine").with_options(enable_cache=False)
    assert (variant.run_name, variant.enable_cache) == ("mine", False)
    with pytest.raises(ConfigError, match="unknown option 'enable_cach'"):
        p.with_options(enable_cach=False)


@pytest.mark.usefixtures("project")
def test_partials_callables_and_parameters_named_like_our_own_options_work() -> None:
    def add(a: int, b: int) -> int:
        return a + b

    class Times:
        def __call__(self, x: int) -> int:
            return x * 2

    plus_two = step(functools.partial(add, 2))
    double = step(Times())

    @step
    def fetch(id: int, after: str) -> str:
        return f"{id} {after}"

    @pipeline
    def p() -> None:
        double(plus_two(b=3))
        fetch(id=3, after="x")
        fetch(4, "y")

    run = p()
    assert run.steps["add"].output.load() == 5
    assert run.steps["Times"].output.load() == 10
    assert run.steps["fetch"].output.load() == "3 x"
    assert run.steps["fetch_2"].output.load() == "4 y"
