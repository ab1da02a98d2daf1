from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.errors import ConfigError, NotFoundError
from mlxkit.pipelines.runconfig import read_run_config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "the file must be a map, not list"),
        ("paramters: {}\n", "paramters: unknown key (did you mean 'parameters'?)"),
        ("parameters: [1]\n", "parameters must be a map, not list"),
        ("enable_cache: sometimes\n", "enable_cache must be a true or false, not str"),
        ("steps:\n  train: {params: {}}\n", "steps.train.params: unknown key (did you mean 'parameters'?)"),
        ("settings: {tracker: {}}\n", "unknown settings key 'tracker'"),
        ("parameters: {a: 1, a: 2}\n", "a"),
        ("parameters: !!python/object/apply:os.system [ls]\n", "run.yaml"),
    ],
)
def test_a_wrong_file_is_told_with_its_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_run_config(path)
    assert message in caught.value.message


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        read_run_config(tmp_path / "none.yaml")
    with pytest.raises(NotFoundError, match="is not a file"):
        read_run_config(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"parameters: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_run_config(tmp_path / "bytes.yaml")
    (tmp_path / "large.yaml").write_bytes(b"a" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        read_run_config(tmp_path / "large.yaml")


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    config = read_run_config(tmp_path / "empty.yaml")
    assert (dict(config.parameters), config.run_name, dict(config.steps)) == ({}, None, {})


def test_steps_take_their_own_parameters_and_cache(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("steps:\n  train: {parameters: {lr: 0.1}, enable_cache: false}\n")
    options = read_run_config(tmp_path / "run.yaml").steps["train"]
    assert (options.parameters, options.enable_cache) == ({"lr": 0.1}, False)
