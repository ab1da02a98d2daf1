"""The flavor registry: rows for free, classes only when asked for, strangers kept at arm's length."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.errors import MissingDependencyError, NotFoundError
from mlxkit.stacks.flavors import Flavor, built_in, flavors, get_flavor, load
from mlxkit.stacks.kinds import KINDS, get_kind

FAKE = """
from mlxkit.stacks.flavors import Attribute, Flavor
ROW = Flavor("experiment_tracker", "paper", (Attribute("pen", "str", "Which pen."),), "paper_flavor:Paper", "On paper.")
MORE = (Flavor("orchestrator", "abacus", (), "missing_library_xyz:Abacus", "By hand.", extra="abacus"),)
COPY = Flavor("experiment_tracker", "mlflow", (), "paper_flavor:Paper", "Not the real one.")
class Paper: ...
"""


@pytest.fixture
def installed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a distribution with these entry points, for this test."""
    site = home / "site"
    (site / "paper_flavor-1.0.dist-info").mkdir(parents=True)
    (site / "paper_flavor.py").write_text(FAKE)
    (site / "broken_flavor.py").write_text("raise RuntimeError('no ink')")
    monkeypatch.syspath_prepend(site)

    def install(entry_points: str) -> None:
        folder = site / "paper_flavor-1.0.dist-info"
        (folder / "METADATA").write_text("Name: paper-flavor\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[mlxkit.flavors]\n{entry_points}\n")

    return install


def test_every_kind_has_a_flavor_and_every_attribute_its_words() -> None:
    assert {flavor.kind for flavor in built_in()} == set(KINDS)
    for flavor in built_in():
        assert get_flavor(flavor.kind, flavor.name) is flavor
        assert flavor.summary.endswith(".")
        for attribute in flavor.attributes:
            assert attribute.help.endswith("."), (flavor.name, attribute.name)
            assert attribute.name not in ("flavor", "name", "remove", "allow_empty", "help"), attribute.name


def test_the_flavor_of_another_kind_is_not_taken() -> None:
    with pytest.raises(NotFoundError, match=r"unknown orchestrator flavor 'mlflow'"):
        get_flavor("orchestrator", "mlflow")


def test_a_misspelt_flavor_is_answered_with_the_right_one() -> None:
    with pytest.raises(
        NotFoundError, match=r"unknown experiment tracker flavor 'mlfow' \(did you mean 'mlflow'\?\)"
    ) as caught:
        get_flavor("experiment_tracker", "mlfow")
    assert caught.value.hint == "mlx flavor list tracker"


def test_a_distribution_adds_flavors_and_cannot_replace_ours(installed: Callable[[str], None]) -> None:
    installed("paper = paper_flavor:ROW\nmore = paper_flavor:MORE\ncopy = paper_flavor:COPY")
    assert get_flavor("experiment_tracker", "paper").summary == "On paper."
    assert load(get_flavor("experiment_tracker", "paper")).__name__ == "Paper"
    assert [
        flavor.summary
        for flavor in flavors()
        if flavor.name == "mlflow" and flavor.kind == "experiment_tracker"
    ] == ["MLflow tracking: a local SQLite store, a server, or Databricks."]
    assert {flavor.name for flavor in flavors("orchestrator")} == {"local", "ray", "abacus"}


def test_a_broken_distribution_is_left_out_with_a_reason(installed: Callable[[str], None]) -> None:
    installed(
        "bad = broken_flavor:ROW\nwrong = paper_flavor:FAKE\nodd = paper_flavor:Paper\npaper = paper_flavor:ROW"
    )
    problems: list[str] = []
    assert "paper" in {flavor.name for flavor in flavors(problems=problems)}
    assert len(problems) == 3
    assert any("no ink" in problem for problem in problems)
    with pytest.raises(NotFoundError, match="no ink"):
        get_flavor("experiment_tracker", "absent")


def test_a_missing_library_is_answered_with_the_command(installed: Callable[[str], None]) -> None:
    installed("more = paper_flavor:MORE")
    with pytest.raises(
        MissingDependencyError, match="needs missing_library_xyz, which is not installed"
    ) as caught:
        load(get_flavor("orchestrator", "abacus"))
    assert caught.value.hint == "pip install 'mlxkit[abacus]'"


def test_a_known_flavor_is_found_without_a_search_of_what_is_installed() -> None:
    program = (
        "import sys\nfrom mlxkit.stacks.flavors import get_flavor\n"
        "get_flavor('experiment_tracker', 'mlflow')\nsys.exit('importlib.metadata' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", ["experiment_tracker", "tracker", "experiment_trackers"])
def test_a_kind_is_found_by_each_of_its_names(name: str) -> None:
    assert get_kind(name) is KINDS["experiment_tracker"]


def test_a_misspelt_kind_is_answered() -> None:
    with pytest.raises(
        NotFoundError, match=r"no kind of component called 'orchestratr' \(did you mean 'orchestrator'\?\)"
    ):
        get_kind("orchestratr")


def test_a_row_knows_its_attributes() -> None:
    row: Flavor = get_flavor("experiment_tracker", "mlflow")
    assert row.attribute("tracking_token") is not None
    assert row.attribute("absent") is None


def test_every_import_string_of_a_row_leads_somewhere() -> None:
    for flavor in built_in():
        assert isinstance(load(flavor), type)
