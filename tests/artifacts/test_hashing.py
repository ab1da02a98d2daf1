"""One digest, however content is cut, written or read."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from mlxkit.artifacts.hashing import BLOCK, ContentHash, file_digest, hashing_file

_SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 7]


def content(size: int) -> bytes:
    return random.Random(size).randbytes(min(size, 1 << 16)) * (size // (1 << 16) + 1)


def expected(data: bytes, tag: str) -> str:
    """Say it once more, in the plainest way."""
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]
    return hashlib.sha256(
        f"mlx {tag}\n".encode() + b"".join(hashlib.sha256(block).digest() for block in blocks)
    ).hexdigest()


@pytest.mark.parametrize("size", _SIZES)
def test_the_digest_is_what_it_says_it_is(size: int, tmp_path: Path) -> None:
    data = content(size)[:size]
    with hashing_file(tmp_path / "f", "npy 1") as file:
        file.write(data)
    assert file.hexdigest() == expected(data, "npy 1") == file_digest(tmp_path / "f", "npy 1")
    assert file.size == size == (tmp_path / "f").stat().st_size


def test_how_content_is_cut_does_not_matter() -> None:
    data = content(4 * BLOCK + 5)[: 4 * BLOCK + 5]
    for cuts in ((1,), (BLOCK,), (BLOCK - 1, BLOCK + 1), (5, 2 * BLOCK, 2 * BLOCK + 1), (3 * BLOCK + 9,)):
        digest = ContentHash("x")
        for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
            digest.update(memoryview(data)[start:end])
        assert digest.hexdigest() == expected(data, "x")


def test_the_format_is_part_of_the_digest() -> None:
    digests = {ContentHash(tag).hexdigest() for tag in ("", "text 1", "bytes 1", "npy 1")}
    assert len(digests) == 4


def test_blocks_that_change_places_change_the_digest() -> None:
    one, other = content(BLOCK)[:BLOCK], b"\0" * BLOCK
    assert expected(one + other, "") != expected(other + one, "")
    digest = ContentHash()
    digest.update(other + one)
    assert digest.hexdigest() == expected(other + one, "")


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mine")
    with pytest.raises(FileExistsError), hashing_file(tmp_path / "f"):
        pass
    assert (tmp_path / "f").read_text() == "mine"
