"""A reference in any attribute of any flavor, whatever its type: it is kept, or refused in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.stacks.flavors import Flavor, flavors
from tests.conftest import Result

GROUPS = {"experiment_tracker": "tracker"}


@pytest.mark.parametrize("flavor", flavors(), ids=lambda flavor: f"{flavor.kind} {flavor.name}")
def test_a_reference_is_taken_or_refused_in_words(flavor: Flavor, mlx: Callable[..., Result]) -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    group = GROUPS.get(flavor.kind, flavor.kind.replace("_", "-"))
    for attribute in flavor.attributes:
        option = f"--{attribute.name}=<<some.key>>"
        result = mlx(group, "register", f"with_{attribute.name}", f"--flavor={flavor.name}", option)
        assert result.code in (0, 4), result.stderr
        kept = f"with_{attribute.name}" in Path("mlx.yaml").read_text()
        assert kept is (result.code == 0) is not result.stderr.startswith("error: ")
