"""Which words are offered where."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.commands.app import COMMANDS
from mlxkit.completion.answer import answer, candidates


@pytest.fixture(autouse=True)
def project() -> None:
    Path("mlx.yaml").write_text(
        "version: 1\n"
        "experiment_trackers:\n  team: {flavor: mlflow}\n  local: {flavor: mlflow}\n"
        "artifact_stores:\n  lake: {flavor: local}\n"
        "stacks:\n  dev: {experiment_tracker: local}\n  prod: {experiment_tracker: team}\n"
    )


def words(*typed: str) -> list[str]:
    return [value for value, _ in candidates(list(typed))[1]]


def beyond(*typed: str) -> str:
    return candidates(list(typed))[0]


def test_commands_are_offered_but_not_the_hidden_ones() -> None:
    assert words("") == [name for name, row in COMMANDS.items() if not row.is_hidden]
    assert words("secrets-m") == []


def test_inside_a_hidden_command_there_is_completion() -> None:
    assert words("secrets-manager", "") == ["secret"]
    assert words("integration", "") == ["install"]


def test_commands_of_a_group() -> None:
    assert words("stack", "se") == ["set"]
    assert words("-q", "stack", "se") == ["set"]
    assert words("stack", "nothing-like-it") == []


def test_options_of_a_command_each_under_one_name() -> None:
    assert words("stack", "list", "-") == ["--output", "--help"]
    assert words("stack", "register", "x", "--artifact") == ["--artifact-store"]
    assert words("stack", "register", "x", "--artifact_") == ["--artifact_store"]


def test_an_option_is_offered_once_unless_it_is_repeatable() -> None:
    assert "--stack" not in words("run", "p.py", "--stack", "dev", "--")
    assert "--stack" not in words("run", "p.py", "-s", "dev", "--")
    assert "--param" in words("run", "p.py", "--param", "a=1", "--")


@pytest.mark.parametrize("typed", [("-o", ""), ("--output", "")])
def test_choices_behind_an_option(typed: tuple[str, ...]) -> None:
    assert words("stack", "list", *typed) == ["table", "json", "yaml", "name"]


def test_choices_joined_to_an_option() -> None:
    assert words("stack", "list", "--output=") == [
        f"--output={name}" for name in ("table", "json", "yaml", "name")
    ]
    assert words("stack", "list", "--output=j") == ["--output=json"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (("stack", "set", ""), ["dev", "prod"]),
        (("stack", "set", "p"), ["prod"]),
        (("run", "p.py", "--stack", ""), ["dev", "prod"]),
        (("run", "p.py", "--stack=d"), ["--stack=dev"]),
        (("run", "p.py", "--tracker", "t"), ["team"]),
        (("tracker", "describe", "t"), ["team"]),
        (("tracker", "describe", ""), ["team", "local", "default"]),
        (("artifact-store", "describe", ""), ["lake", "default", "local"]),
        (("stack", "register", "x", "-a", "l"), ["lake", "local"]),
        (("stack", "register", "x", "--experiment_tracker=te"), ["--experiment_tracker=team"]),
        (("stack", "update", "dev", "--remove", "tr"), ["tracker"]),
        (("stack", "register", ""), []),
        (("tracker", "register", ""), []),
        (("stack", "rename", "dev", ""), []),
        (("flavor", "describe", "ml"), ["mlflow"]),
        (("flavor", "describe", "mlflow", "tr"), ["tracker"]),
        (("model", "promote", "m", "--to", "p"), ["production"]),
        (("completion", "install", "--shell", "f"), ["fish"]),
        (("help", "exit"), ["exit-codes"]),
    ],
    ids=str,
)  # fmt: skip
def test_names(typed: tuple[str, ...], found: list[str]) -> None:
    assert words(*typed) == found
    assert beyond(*typed) == "words"


def test_flavors_and_their_attributes() -> None:
    assert words("tracker", "register", "x", "--flavor=") == ["--flavor=mlflow"]
    assert words("tracker", "register", "x", "-f", "") == ["mlflow"]
    assert words("tracker", "register", "x", "--flavor=mlflow", "--tracking_u") == [
        "--tracking_uri=",
        "--tracking_username=",
    ]
    assert words("tracker", "update", "team", "--databricks_h") == ["--databricks_host="]
    assert words("tracker", "update", "team", "--tracking-us") == ["--tracking-username="]
    assert "--anonymous" in words("tracker", "register", "x", "--anon")
    assert words("tracker", "register", "x", "--tracking_insecure_tls=") == ["--tracking_insecure_tls=true", "--tracking_insecure_tls=false"]  # fmt: skip
    assert words("tracker", "describe", "team", "--track") == []


def test_the_value_of_an_attribute_is_not_taken_for_the_name() -> None:
    assert words("tracker", "update", "--tracking_uri", "https://x", "te") == ["team"]
    assert words("tracker", "update", "--tracking_uri", "") == []


def test_files_stand_where_files_are_meant() -> None:
    assert beyond("run", "") == "files"
    assert beyond("run", "p.py", "--config", "") == "files"
    assert beyond("run", "p.py", "--config=") == "files"
    assert beyond("stack", "import", "") == "files"
    assert beyond("stack", "set", "") == "words"
    assert beyond("run", "p.py", "--", "--x") == "files"


def test_the_pipelines_of_a_file() -> None:
    Path("p.py").write_text(
        "@step\ndef one(): ...\n\n@pipeline(name='x')\ndef nightly(a: int):\n    one()\n@pipeline\n@other\ndef weekly(): ...\n"
    )
    assert words("run", "p.py:") == ["p.py:nightly", "p.py:weekly"]
    assert words("run", "p.py:n") == ["p.py:nightly"]
    assert words("run", "missing.py:") == []


def test_each_shell_gets_its_form() -> None:
    assert answer("bash", ["stack", "se"]) == "words\nset\n"
    assert answer("fish", ["stack", "se"]) == "words\nset\tMake a stack the active one.\n"
    assert answer("powershell", ["stack", "se"]) == "words\nset\tMake a stack the active one.\n"
    assert answer("zsh", ["stack", "se"]) == "words\nset:Make a stack the active one.\n"


def test_zsh_is_not_told_that_a_version_is_a_description() -> None:
    Path("p.py").write_text("@pipeline\ndef nightly(): ...\n")
    assert answer("zsh", ["run", "p.py:"]) == "words\np.py\\:nightly:pipeline\n".replace("words", "files")


def test_a_name_is_never_a_command_of_the_shell() -> None:
    Path(".mlx/names").mkdir(parents=True)
    Path(".mlx/names/pipelines").write_text("a;touch${IFS}x\n")
    assert answer("bash", ["pipeline", "describe", ""]) == "words\na\\;touch\\${IFS}x\n"
    assert answer("powershell", ["pipeline", "describe", ""]) == "words\n'a;touch${IFS}x'\n"
    Path("p.py").write_text("@pipeline\ndef $(touch x):\n")
    assert words("run", "p.py:") == []


def test_what_somebody_wrote_cannot_reach_the_terminal() -> None:
    Path(".mlx/names").mkdir(parents=True)
    Path(".mlx/history.db").touch()
    Path(".mlx/names/pipelines").write_text("good\nbad\x1b]0;x\x07\n")
    assert words("pipeline", "describe", "") == ["bad\x1b]0;x\x07", "good"]
    assert answer("bash", ["pipeline", "describe", ""]) == "words\ngood\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_what_is_said_of_a_name_cannot_steer_the_terminal(shell: str) -> None:
    Path(".mlx/names").mkdir(parents=True)
    Path(".mlx/history.db").touch()
    Path(".mlx/names/runs").write_text(
        "aaaa tidy\nbbbb \x1b]0;owned\x07\x1b[31mred\ncccc turned\u202eround\ndddd \x9b31m\n"
    )
    told = answer(shell, ["runs", "describe", ""])
    assert [line for line in told.split("\n") if not line.replace("\t", " ").isprintable()] == []
    found = [line.partition("\t")[0].partition(":")[0] for line in told.splitlines()[1:]]
    assert [name for name in found if len(name) == 4 and name != "tidy"] == ["dddd", "cccc", "bbbb", "aaaa"]
    assert (f"aaaa{':' if shell == 'zsh' else chr(9)}tidy" in told) == (shell != "bash")
