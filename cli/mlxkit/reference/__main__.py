"""`python -m mlxkit.reference --write` or `--check`: bring the generated files up to date, or say which are not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .documents import documents, repository, stale


def main(argv: list[str] | None = None) -> int:
    """Write what is stale, or with --check name it and return 1."""
    parser = argparse.ArgumentParser(prog="python -m mlxkit.reference", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="Write the files that are stale.")
    action.add_argument("--check", action="store_true", help="Exit with 1 when a file is stale.")
    parser.add_argument("--root", type=Path, default=repository(), help="The source tree.")
    given = parser.parse_args(argv)
    if not (given.root / "pyproject.toml").is_file():
        sys.stderr.write(f"{given.root} is not a source tree of mlx: run this in an editable install\n")
        return 1
    wanted = documents(given.root)
    found = stale(given.root, wanted)
    for path in found:
        sys.stderr.write(f"{path} is {'stale' if given.check else 'brought up to date'}\n")
        if given.write:
            _write(given.root / path, wanted.get(path))
    if found and given.check:
        sys.stderr.write("  try: python -m mlxkit.reference --write\n")
        return 1
    return 0


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
