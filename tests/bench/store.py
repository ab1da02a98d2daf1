"""Content through a store in a bucket on loopback, against s3fs moving the same bytes: whole processes, wall seconds."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fixtures.s3_server import KEY, SECRET, before, running_s3

from .measure import Row, clean_environment, median, once

_LATENCY = 0.02  # seconds that each request takes longer, as it does to a data centre nearby
_ROUNDS = 3

# `make` sends, `take` brings it to a machine that has no copy; `again` finds it there and sends nothing.
_OURS = """
import os, sys
from pathlib import Path
from mlxkit.artifacts.io import load, save
from mlxkit.integrations.fsspec.artifact_store import FsspecArtifactStore
from mlxkit.stacks.resolve import ResolvedComponent
import pickle, shutil
from files import Files, value

what, how = sys.argv[1:3]
store = FsspecArtifactStore(ResolvedComponent("artifact_store", "lake", "s3", {
    "path": os.environ["LAKE"], "endpoint_url": os.environ["S3"], "trust_code": True,
    "key": os.environ["AWS_ACCESS_KEY_ID"], "secret": os.environ["AWS_SECRET_ACCESS_KEY"]}), Path("."))
if how == "take":
    record = pickle.loads(Path("record").read_bytes())
    loaded = load(record, store)
    assert len(loaded) == (500 if what == "files" else 50_000_000)
else:
    record = save(value(what), store=store, materializer=Files if what == "files" else None)
    Path("record").write_bytes(pickle.dumps(record))
shutil.rmtree(os.environ["MLX_HOME"] + "/cache", ignore_errors=True)
"""
_FILES = """
import os
from pathlib import Path
import numpy as np
from mlxkit.artifacts.materializers.base import BaseMaterializer

class Files(BaseMaterializer):
    def save(self, value):
        for number, item in enumerate(value):
            (Path(self.uri) / f"{number}").write_bytes(item)
    def load(self, data_type):
        return [path.read_bytes() for path in Path(self.uri).iterdir()]

def value(what):
    if what == "files":
        return [os.urandom(2000) for _ in range(500)]
    return np.random.default_rng().random(50_000_000)
"""
_PLAIN = """
import os, sys
from pathlib import Path
import numpy as np
import s3fs
from files import value

what, how = sys.argv[1:3]
lake = s3fs.S3FileSystem(endpoint_url=os.environ["S3"])
root = os.environ["LAKE"].removeprefix("s3://") + "/plain"
place = Path("plain")
where = Path("where").read_text() if how == "take" else f"{what}{os.getpid()}"
Path("where").write_text(where)
if how == "take":
    lake.get(root + "/" + where, "taken", recursive=True)
    if what == "files":
        assert len([path.read_bytes() for path in Path("taken").iterdir()]) == 500
    else:
        assert len(np.load("taken/array.npy", mmap_mode="r")) == 50_000_000
else:
    made = value(what)
    (place / what).mkdir(parents=True)
    if what == "files":
        for number, item in enumerate(made):
            (place / what / str(number)).write_bytes(item)
    else:
        np.save(place / what / "array.npy", made)
    lake.put(str(place / what), root + "/" + where, recursive=True)
import shutil
shutil.rmtree("plain", ignore_errors=True)
shutil.rmtree("taken", ignore_errors=True)
"""


def store(folder: Path) -> list[Row]:
    """400 MB and 500 small files into a bucket and out of it again, on a machine without a copy."""
    for name, text in (("ours.py", _OURS), ("plain.py", _PLAIN), ("files.py", _FILES)):
        (folder / name).write_text(text)
    (folder / "server").mkdir()
    rows = []
    with running_s3(folder / "server") as server, before(server.url) as proxy:
        env = {
            **clean_environment(folder),
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "LAKE": f"s3://{server.bucket()}/bench",
            "MLX_HOME": str(folder / "home"),
        }
        proxy.latency = _LATENCY
        for what, words, url in (
            ("array", "a 400 MB array", server.url),
            ("files", f"500 small files, {_LATENCY * 1000:.0f} ms a request", proxy.url),
        ):
            for how, said in (("make", "into a bucket"), ("take", "out of a bucket")):
                a, b = [], []
                for _ in range(_ROUNDS):
                    b.append(once([sys.executable, "plain.py", what, how], folder, {**env, "S3": url}))
                    a.append(once([sys.executable, "ours.py", what, how], folder, {**env, "S3": url}))
                ours, plain = median(a), median(b)
                rows.append(
                    Row(
                        f"{words} {said}",
                        f"{ours.wall:.2f} s, {ours.peak:.0f} MB",
                        f"s3fs alone {plain.wall:.2f} s, {plain.peak:.0f} MB",
                        ours.wall / plain.wall,
                        "1.3 x",
                    )
                )
    return rows
