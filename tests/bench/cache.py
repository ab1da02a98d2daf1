"""The shared cache in a bucket on loopback, 20 ms a request: a first run, and one of another checkout that finds it all."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.fixtures.s3_server import KEY, SECRET, Proxy, before, running_s3

from .measure import Row, Sample, clean_environment, median, once

MLX = str(Path(sys.executable).with_name("mlx"))
_LATENCY = 0.02  # seconds that each request takes longer
_ROUNDS = 3
_STEPS = """
import numpy as np
from mlxkit import pipeline, step

@step
def make(seed: int, last: int) -> tuple[int, np.ndarray]:
    return seed, np.full(6000, float(seed))

@pipeline
def main(length: int = 10) -> None:
    last = 0
    for seed in range(length):
        last, _ = make(seed, last)
"""
_CONFIG = (
    "version: 1\nartifact_stores:\n"
    '  lake: {{flavor: s3, path: {path}, endpoint_url: "{url}", key: "<<s3.key>>", secret: "<<s3.secret>>"}}\n'
    "stacks:\n  team: {{artifact_store: lake}}\n"
)


def cache(folder: Path) -> list[Row]:
    """Chains of 10 and of 100 steps that each give 48 KB: cold and warm, against a store in the state folder."""
    env = {**clean_environment(folder), "MLX_SECRET_S3__KEY": KEY, "MLX_SECRET_S3__SECRET": SECRET}
    for name in ("server", "shared", "alone"):
        (folder / name).mkdir()
        (folder / name / "p.py").write_text(_STEPS)
    (folder / "alone" / "mlx.yaml").write_text("version: 1\nstacks:\n  plain: {}\n")
    rows = []
    with running_s3(folder / "server") as server, before(server.url) as proxy:
        proxy.latency = _LATENCY
        for length in (10, 100):
            cold, warm, plain, again = [], [], [], []
            for _ in range(_ROUNDS):
                config = _CONFIG.format(path=f"s3://{server.bucket()}/bench", url=proxy.url)
                (folder / "shared" / "mlx.yaml").write_text(config)
                cold.append(_run(folder / "shared", env, length, proxy))
                warm.append(_run(folder / "shared", env, length, proxy))
                plain.append(_run(folder / "alone", env, length, proxy))
                again.append(_run(folder / "alone", env, length, proxy, keep=True))
            for what, ours, local in (("cold", cold, plain), ("warm, an empty .mlx", warm, again)):
                sample, requests = median([one for one, _ in ours]), ours[-1][1]
                yardstick = median([one for one, _ in local])
                rows.append(
                    Row(
                        f"{length} steps, shared cache {what}, {_LATENCY * 1000:.0f} ms a request",
                        f"{sample.wall:.2f} s, {requests / length:.1f} requests a step",
                        f"a local store {yardstick.wall:.2f} s",
                        sample.wall / yardstick.wall,
                        "",
                    )
                )
    return rows


def _run(
    folder: Path, env: Mapping[str, str], length: int, proxy: Proxy, *, keep: bool = False
) -> tuple[Sample, int]:
    """Run the chain with an empty state folder and no copy of content, and count what was asked of the bucket."""
    if not keep:
        shutil.rmtree(folder / ".mlx", ignore_errors=True)
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    proxy.requests.clear()
    argv = [MLX, "-q", "run", "p.py", "--length", str(length)]
    sample = once(argv, folder, {**env, "MLX_HOME": str(home)})
    return sample, len(proxy.requests)
