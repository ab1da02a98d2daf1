"""A JSON file of ours is an object of this version, or a sentence says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.config.entryfile import read_own_json, remove_kept
from mlxkit.errors import ConfigError, MlxError


def test_an_object_of_this_version_is_returned(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"schema_version": 1, "name": "a"}')
    assert read_own_json(path, schema=1) == {"schema_version": 1, "name": "a"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'{"schema_version": 2}', "schema_version 2 is not 1: it is of another version of mlx"),
        (b"{}", "schema_version None is not 1"),
    ],
)
def test_anything_else_is_an_error_that_names_the_file(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_own_json(path, schema=1)
    assert said in caught.value.message and str(path) in caught.value.message


def test_a_file_that_is_not_there_is_told_from_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_own_json(tmp_path / "x.json", schema=1)
    with pytest.raises(ConfigError, match="cannot read"):
        read_own_json(tmp_path, schema=1)


def test_a_folder_is_removed_with_all_that_is_in_it_and_one_that_is_gone_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "x.json"
    (path.parent / "deep").mkdir(parents=True)
    path.write_text("{}")
    (path.parent / "deep" / "file").write_text("x")
    remove_kept(path)
    assert list(tmp_path.iterdir()) == []
    remove_kept(path)
    (tmp_path / "target").mkdir()
    path.parent.symlink_to(tmp_path / "target")
    with pytest.raises(MlxError, match=f"cannot remove {path.parent}"):
        remove_kept(path)
    assert (tmp_path / "target").is_dir()
