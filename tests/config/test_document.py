"""Reading mlx.yaml: what is wrong is said with file, line and field, and a bad file never hangs or crashes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlxkit.config.document import read_config
from mlxkit.config.model import Config
from mlxkit.config.paths import find_project
from mlxkit.errors import ConfigError, ExitCode

GOOD = """\
version: 1
default_stack: team
experiment_trackers:
  team:
    flavor: mlflow
    tracking_uri: https://mlflow.example.com
    tracking_token: <<team.token>>
    tags: {owner: vision, 1: one}
stacks:
  team: {experiment_tracker: team, orchestrator: local}
  bare:
"""


def read(text: str | bytes) -> Config:
    Path("mlx.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_config(find_project())


def refused(text: str | bytes) -> str:
    before = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert Path("mlx.yaml").read_bytes() == before
    assert caught.value.exit_code is ExitCode.configuration
    return caught.value.message


def test_a_good_file_is_read_with_its_lines() -> None:
    config = read(GOOD)
    team = config.components["experiment_tracker"]["team"]
    assert (team.flavor, team.line) == ("mlflow", 4)
    assert team.attributes["tracking_token"] == "<<team.token>>"
    assert team.attributes["tags"] == {"owner": "vision", "1": "one"}
    assert team.attribute_lines["tracking_uri"] == 6
    assert config.stacks["team"].components == {"experiment_tracker": "team", "orchestrator": "local"}
    assert config.stacks["bare"].components == {}
    assert config.default_stack == "team"
    assert config.components["model_registry"] == {}


@pytest.mark.parametrize(
    "text", ["", "\n", "# only words\n", "---\n", "version: 1\n", "\ufeffversion: 1\n", "stacks:\n"]
)
def test_a_file_without_components_is_fine(text: str) -> None:
    config = read(text)
    assert not config.stacks
    assert not any(config.components.values())


def test_no_file_is_an_empty_configuration() -> None:
    assert not read_config(find_project()).stacks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stacks:\n\ta: {}\n", "mlx.yaml:2: a tab is used for indentation, which YAML does not allow: use spaces"),
        ("stacks:\n  a:\n  b:\n  a:\n", "mlx.yaml:4: stacks: 'a' appears twice (first on line 2)"),
        ("version: 1\nversion: 1\n", "mlx.yaml:2: 'version' appears twice (first on line 1)"),
        ("stacks: [a, b]\n", "mlx.yaml:1: stacks: has to be a map of names to values, not a list"),
        ("- a\n- b\n", "mlx.yaml:1: has to be a map of names to values, not a list"),
        ("just words\n", "mlx.yaml:1: has to be a map of names to values, not a single value"),
        ("experiment_trackers:\n  t: mlflow\n", "mlx.yaml:2: experiment_trackers.t: has to be a map of names to values, not a single value"),
        ("experiment_trackers:\n  t:\n", "mlx.yaml:2: experiment_trackers.t.flavor: missing: say which flavor it is"),
        ("version: 2\nfuture: [1]\n", "mlx.yaml:1: version: 2 is newer than this mlx understands (1)"),
        ("version: '1'\n", "mlx.yaml:1: version: has to be a whole number such as 1"),
        ("version: true\n", "mlx.yaml:1: version: has to be a whole number such as 1"),
        ("\nstack:\n  a: {}\n", "mlx.yaml:2: stack: unknown key (did you mean 'stacks'?)"),
        ("stacks:\n  a: {tracker: t}\n", "mlx.yaml:2: stacks.a.tracker: unknown kind of component"),
        (
            "stacks:\n  a: {experiment_trackr: t}\n",
            "mlx.yaml:2: stacks.a.experiment_trackr: unknown kind of component (did you mean 'experiment_tracker'?)",
        ),
        (
            "experiment_trackers:\n  team: {flavor: mlflow}\nstacks:\n  a:\n    experiment_tracker: taem\n",
            "mlx.yaml:5: stacks.a.experiment_tracker: no tracker named 'taem' (did you mean 'team'?)",
        ),
        ("stacks:\n  a: {orchestrator: [local]}\n", "mlx.yaml:2: stacks.a.orchestrator: has to be the name of one orchestrator"),
        ("default_stack: taem\nstacks: {team: {}}\n", "mlx.yaml:1: default_stack: no stack named 'taem' (did you mean 'team'?)"),
        ("experiment_trackers:\n  t: {tracking_uri: x}\n", "mlx.yaml:2: experiment_trackers.t.flavor: missing: say which flavor it is"),
        ("experiment_trackers:\n  t: {flavor: 3}\n", "mlx.yaml:2: experiment_trackers.t.flavor: has to be text"),
        ("stacks: @x\n", "mlx.yaml:1: a value that begins with '@' has to be quoted"),
        ("stacks: !!python/object/apply:os.getcwd []\n", "mlx.yaml:1: stacks: the tag !!python/object/apply:os.getcwd is not used here"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    said = refused(text)
    assert said == message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("stacks:\n  a: {orchestrator: local\n", "mlx.yaml:2: "),
        ("\nstacks: *gone\n", "mlx.yaml:2: "),
        ("a: 1\n---\nb: 2\n", "mlx.yaml:2: "),
    ],
)
def test_what_the_parser_does_not_take_is_said_with_its_line(text: str, place: str) -> None:
    assert refused(text).startswith(place)


@pytest.mark.parametrize("name", ["two words", "../up", ".hidden", "-e", "a/b", "naïve", "x" * 101])
def test_a_name_that_could_not_be_typed_or_stored_is_refused(name: str) -> None:
    said = refused(f"stacks:\n  {name!r}: {{}}\n")
    assert said.startswith(f"mlx.yaml:2: stacks.{name!r}: the name ")


def test_every_problem_is_said_at_once() -> None:
    said = refused("extra: 1\nstacks:\n  a: {orchestrator: x}\n  b: {experiment_tracker: y}\n").splitlines()
    assert [line.split(": ")[1] for line in said] == [
        "extra",
        "stacks.a.orchestrator",
        "stacks.b.experiment_tracker",
    ]


def test_a_reference_in_braces_without_quotes_is_explained() -> None:
    said = refused("experiment_trackers:\n  t:\n    flavor: mlflow\n    tracking_token: {{team.token}}\n")
    assert said == (
        "mlx.yaml:4: experiment_trackers.t.tracking_token: {{...}} without quotes is a map in YAML: "
        'write <<team.token>>, or "{{team.token}}" with quotes'
    )


def test_a_wrong_text_is_never_quoted_in_the_message() -> None:
    assert "hunter2" not in refused("experiment_trackers:\n  t:\n    tracking_password: hunter2: hunter2\n")
    assert "hunter2" not in refused('experiment_trackers:\n  t:\n    tracking_password: "hunter2\n')


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "more than 100000 values once aliases are expanded" in refused("\n".join(lines))


def test_an_alias_to_itself_is_refused() -> None:
    assert "nested deeper than 50 levels" in refused("stacks: &a [*a]\n")


@pytest.mark.parametrize("opener", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_and_does_not_crash_the_parser(opener: str) -> None:
    assert "nested deeper than 50 levels" in refused(opener * 200_000)


def test_ten_megabytes_are_refused_without_being_parsed() -> None:
    began = time.process_time()
    said = refused(b"a: 1\n" * 2_100_000)
    assert said == "mlx.yaml is 10.0 MiB; more than 1024 KiB is refused"
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"version: 1\nstacks: {\xff\xfe}\n", "mlx.yaml:2: not UTF-8 text (byte 0xff)"),
        (b"a: \x00\n", "mlx.yaml:1: a control character (0x00) is not text"),
        ("version: 1\n".encode("utf-16"), "mlx.yaml:1: not UTF-8 text (byte 0xff)"),
    ],
)
def test_bytes_that_are_no_text_are_refused(data: bytes, message: str) -> None:
    assert refused(data) == message


def test_a_folder_in_its_place_is_named() -> None:
    Path("mlx.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"^mlx.yaml is a folder, not a file$"):
        read_config(find_project())


def test_a_named_pipe_in_its_place_does_not_hang() -> None:
    os.mkfifo("mlx.yaml")
    with pytest.raises(ConfigError, match=r"^mlx.yaml is a named pipe, not a file$"):
        read_config(find_project())


def test_a_link_to_nowhere_is_named() -> None:
    Path("mlx.yaml").symlink_to("gone.yaml")
    with pytest.raises(ConfigError, match=r"mlx.yaml is a link to gone.yaml, which does not exist"):
        read_config(find_project())


def test_a_link_that_goes_in_circles_is_named() -> None:
    Path("mlx.yaml").symlink_to("mlx.yaml")
    with pytest.raises(ConfigError, match=r"^cannot read mlx.yaml: Too many levels of symbolic links$"):
        read_config(find_project())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(str.encode),
        st.tuples(
            st.integers(0, len(GOOD)), st.integers(0, 8), st.text("{}[]:,-&*!|>'\"%@`#?<\t\n ab1", max_size=6)
        ).map(lambda change: (GOOD[: change[0]] + change[2] + GOOD[change[0] + change[1] :]).encode()),
    )
)
def test_whatever_is_in_the_file_it_is_read_or_refused_with_its_name(data: bytes) -> None:
    try:
        read(data)
    except ConfigError as error:
        assert all(line.startswith("mlx.yaml") for line in error.message.splitlines())


def test_a_file_named_by_the_environment_has_to_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_CONFIG", "gone.yaml")
    with pytest.raises(ConfigError, match=r"MLX_CONFIG names .*gone.yaml, which does not exist"):
        read_config(find_project())


def test_an_anchor_and_a_merge_are_understood() -> None:
    config = read(
        "experiment_trackers:\n  a: &a {flavor: mlflow, nested: true}\n  b: {<<: *a, nested: false}\n  c: *a\n"
    )
    trackers = config.components["experiment_tracker"]
    assert trackers["b"].attributes == {"nested": False}
    assert trackers["c"].attributes == {"nested": True}


def test_words_that_yaml_takes_for_something_else_can_be_names() -> None:
    config = read("stacks:\n  yes: {}\n  1: {}\n  2024-01-01: {}\n  null: {}\n")
    assert list(config.stacks) == ["yes", "1", "2024-01-01", "null"]


@pytest.mark.parametrize("value", ["1", "true", "[a]", "{a: b}", "1.5"])
def test_a_default_stack_that_is_no_text_says_what_to_do(value: str) -> None:
    said = refused(f"default_stack: {value}\nstacks: {{'1': {{}}}}\n")
    assert said == "mlx.yaml:1: default_stack: has to be the name of a stack as text: put quotes round it"
