"""Print how fast `mlx` is, as ratios against yardsticks measured in the same run: `python -m tests.bench [ROW ...]`.

Nothing here asserts. Every figure is the median of whole processes, started in turn with their yardstick, so that a
machine that changes speed changes both. Needs a compiled environment: `python -m compileall` once, and
PYTHONDONTWRITEBYTECODE unset. ZenML is measured too where MLX_BENCH_ZENML names a Python that has it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from .measure import Row, table
from .rows import ROWS


def main(wanted: list[str]) -> int:
    """Measure the rows whose name starts with one of the words, or all of them."""
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        sys.stderr.write(
            "PYTHONDONTWRITEBYTECODE is set: the figures would be those of compiling, not of running\n"
        )
        return 2
    unknown = [word for word in wanted if not any(name.startswith(word) for name in ROWS)]
    if unknown:
        sys.stderr.write(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}\n")
        return 2
    rows: list[Row] = []
    for name, measure in ROWS.items():
        if wanted and not any(name.startswith(word) for word in wanted):
            continue
        sys.stderr.write(f"measuring {name} ...\n")
        with tempfile.TemporaryDirectory(prefix="mlx-bench-") as folder:
            rows += measure(Path(folder))
    sys.stdout.write(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
