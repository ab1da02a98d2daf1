"""Names that people give."""

from __future__ import annotations

import pytest

from mlxkit.config.names import check_name
from mlxkit.errors import UsageError


@pytest.mark.parametrize("name", ["a", "A-1", "team.v2", "x_y", "0", "x" * 100])
def test_a_plain_name_is_taken(name: str) -> None:
    assert check_name(name, "stack") == name


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "../x", "a/b", ".a", "-a", "_a", "é", "a\n", "x" * 101, "<<s.k>>"]
)
def test_anything_that_a_shell_a_path_or_yaml_could_trip_over_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"^stack name "):
        check_name(name, "stack")
