"""What a step may ask for, and how many workers a person may ask for: what is understood, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from mlxkit.errors import ConfigError, UsageError
from mlxkit.pipelines.resources import ResourceSettings, resources_of, workers_of
from mlxkit.stacks.resources import Resources


@pytest.mark.parametrize("text", [None, "auto", "1", "16"])
def test_workers_are_a_number_or_auto(text: str | None) -> None:
    assert workers_of(text) == text


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "²"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a number from 1, nor auto"):
        workers_of(text)


@pytest.mark.parametrize(
    ("memory", "size"), [("512MB", 512_000_000), ("1.5 GiB", 3 << 29), ("4gb", 4_000_000_000), ("100", 100)]
)
def test_memory_is_said_in_powers_of_1000_or_1024(memory: str, size: int) -> None:
    assert resources_of("step 'a'", ResourceSettings(memory=memory)).memory == size


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"cpucount": 2}, "unknown key 'cpucount'.*did you mean 'cpu_count'"),
        ({"cpu_count": -1}, "cpu_count is a number from 0, not -1"),
        ({"gpu_count": "1"}, "gpu_count is a number from 0, not '1'"),
        ({"memory": "4 GB of it"}, "'4 GB of it' is not a size"),
        ({"custom": {"tpu": float("nan")}}, "tpu is a number from 0"),
        (2, "is a ResourceSettings or a mapping, not int"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=f"step 'a': resources.*{words}"):
        ResourceSettings.of(asked, "step 'a'")


def test_the_last_level_that_says_anything_counts() -> None:
    found = resources_of(
        "step 'a'", ResourceSettings(cpu_count=4), {"resources": {"gpu_count": 1}}, {"resources": {"cpu_count": 2}}, {}
    )  # fmt: skip
    assert found == Resources(cpus=2.0)
    assert resources_of("step 'a'", None) == Resources()
