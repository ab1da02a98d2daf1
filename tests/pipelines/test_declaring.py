"""What cannot be meant by a decorator ends in words with the user's line, when it is decorated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from mlxkit import step
from mlxkit.artifacts.materializers.base import BaseMaterializer
from mlxkit.errors import ConfigError, UsageError

HEAD = "from {sdk} import pipeline, step\n\n"


@pytest.mark.parametrize("sdk", ["mlxkit", "zenml"])
@pytest.mark.parametrize(
    ("decorated", "said"),
    [
        ("@step(bogus=1)\ndef s() -> int:\n    return 1\n", "step 's': bogus is not supported by mlx"),
        (
            "@step(enable_cach=True)\ndef s() -> int:\n    return 1\n",
            "step 's': enable_cach is not supported by mlx (did you mean 'enable_cache'?)",
        ),
        ("@step(cache_expiration=60)\ndef s() -> int:\n    return 1\n", "step 's': cache_expiration is not"),
        ("@pipeline(bogus=1)\ndef p():\n    pass\n", "pipeline 'p': bogus is not supported by mlx"),
        ("@step\nasync def s() -> int:\n    return 1\n", "s is async"),
        ("@step(on_failure=3)\ndef s() -> int:\n    return 1\n", "on_failure takes a function, not int"),
        (
            "@step(output_materializers={'nope': int})\ndef s() -> int:\n    return 1\n",
            "int is no materializer",
        ),
    ],
)
def test_a_run_ends_in_words_with_the_line(
    mlx: Callable[..., Any], sdk: str, decorated: str, said: str
) -> None:
    assert mlx("init").code == 0
    Path("run.py").write_text(HEAD.format(sdk=sdk) + decorated)
    result = mlx("run", "run.py")
    assert result.code == 2, result.stderr
    assert result.stderr.startswith("error: run.py:3: "), result.stderr
    assert said in result.stderr
    assert "unexpected" not in result.stderr
    assert "Traceback" not in result.stderr


class Own(BaseMaterializer):
    pass


def test_materializers_are_for_outputs_that_there_are() -> None:
    def both() -> tuple[Annotated[int, "low"], Annotated[int, "high"]]:
        return 1, 2

    step(output_materializers={"low": Own})(both)
    step(output_materializers=Own)(both)
    with pytest.raises(
        UsageError, match=r"no output 'hihg' \(did you mean 'high'\?\); its outputs: low, high"
    ):
        step(output_materializers={"hihg": Own})(both)
    with pytest.raises(UsageError, match="int is no materializer"):
        step(output_materializers={"low": int})(both)


def test_an_annotation_that_cannot_be_read_yet_is_looked_at_later() -> None:
    def later() -> Annotated[Unknown, "it"]:  # type: ignore[name-defined]  # noqa: F821
        return 1

    made = step(output_materializers={"it": Own})(later)
    with pytest.raises(UsageError, match="no output 'it'"):
        _ = made.outputs


def test_settings_of_a_tracker_that_there_is_not_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"experiment_tracker\.wandb.*no experiment tracker of flavor 'wandb'"
    ):
        step(settings={"experiment_tracker.wandb": {"tags": {}}})(lambda: 1)
