"""The names that the scan of mlx.yaml finds are those that the YAML library reads."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxkit.completion.configfile import names_in

BLOCK = """\
# a comment
version: 1
default_stack: dev   # stacks: no
experiment_trackers:
  # comment
  team:
    flavor: mlflow
    tracking_uri: https://x.example.com:8080/a#b
    tags: {team: vision, other: {deep: 1}}
  "quoted.one":   # why
    flavor: mlflow
  'single': {flavor: mlflow}

  last-1:
    flavor: mlflow
    note: |
      stacks:
      hidden: not a name
artifact_stores: {lake: {flavor: s3, path: "s3://a,b/{c}"}, "pond": {flavor: local}}  # {no: 1}
stacks:
    dev: {experiment_tracker: team}
    prod:
        experiment_tracker: team
model_deployers:
"""
FLOW = '{"version": 1, "stacks": {"dev": {"experiment_tracker": "team"}, "prod": {}}, "experiment_trackers": {"team": {"flavor": "mlflow", "tags": {"a": "b: c"}}}}'
FLOW_LINES = "stacks: {\n  dev: {experiment_tracker: team},  # one\n  prod:\n    {}\n}\nexperiment_trackers:\n  team: {flavor: mlflow}\n"


@pytest.mark.parametrize(
    "text",
    [
        BLOCK, FLOW, FLOW_LINES, BLOCK.replace("\n", "\r\n"), "\ufeff" + BLOCK, "", "# nothing\n", "version: 1\nstacks:\n",
        "stacks: {}\n", "\n\n---\nversion: 1\nstacks:\n  a: {}\n", "'stacks':\n  a: {}\n", "stacks:\n  a:\n   b: c\n  d:\n",
    ],
)  # fmt: skip
def test_the_scan_agrees_with_the_library(text: str) -> None:
    known = yaml.safe_load(text) or {}
    for section in ("stacks", "experiment_trackers", "artifact_stores", "model_deployers"):
        assert names_in(text, section) == list(known.get(section) or {}), section


@pytest.mark.parametrize(
    "text", ["stacks: [", "stacks: {a: {", "stacks:\n\tb:\n", "}{", "stacks: 'a\n", "{", "stacks: }"]
)
def test_what_is_no_configuration_gives_no_error(text: str) -> None:
    names_in(text, "stacks")


def test_a_name_that_could_not_be_one_is_left_out() -> None:
    assert names_in('stacks:\n  "a b": {}\n  "c\\x1b[31m": {}\n  good: {}\n', "stacks") == ["good"]


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True).filter(
    lambda name: isinstance(yaml.safe_load(name), str)
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(NAMES, st.dictionaries(NAMES, st.text(max_size=12), max_size=3), max_size=5),
    st.sampled_from([True, False, None]),
)
def test_whatever_is_dumped_is_found(stacks: dict[str, dict[str, str]], style: bool | None) -> None:
    text = yaml.safe_dump({"version": 1, "stacks": stacks, "zzz": {"x": {}}}, default_flow_style=style)
    assert names_in(text, "stacks") == sorted(stacks)
