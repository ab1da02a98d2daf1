"""The programs that are timed, as text."""

_IMPORT = "from mlxkit import pipeline, step\n"

TEN_STEPS = (
    _IMPORT
    + "".join(f"@step\ndef s{i}(x: int) -> int:\n    return x + {i}\n" for i in range(10))
    + "@pipeline\ndef ten() -> None:\n    x = 0\n    for each in (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9):\n        x = each(x)\n"
)

CHAIN = (
    _IMPORT
    + """
@step
def add(x: int) -> int:
    return x + 1

@pipeline
def chain(length: int = 1000) -> None:
    x = 0
    for _ in range(length):
        x = add(x)
"""
)

_CALLS = """
    mlflow.log_params({f"p{number}_{i}": i for i in range(3)})
    mlflow.log_metrics({f"m{number}_{i}": i / 7 for i in range(20)})
"""

TRACKED = (
    "import mlflow\n"
    + _IMPORT
    + "@step(experiment_tracker=True)\ndef work(number: int) -> int:"
    + _CALLS
    + "    return number\n@pipeline\ndef five() -> None:\n    for i in range(5):\n        work(i)\n"
)

TRACKED_FLOOR = (
    "import mlflow\ndef work(number):"
    + _CALLS
    + "    return number\nmlflow.set_experiment('five')\nwith mlflow.start_run():\n    for i in range(5):\n        work(i)\n"
)

ARRAY = (
    "import numpy as np\n"
    + _IMPORT
    + """
@step
def make() -> np.ndarray:
    return np.random.default_rng(0).random(50_000_000)

@step
def total(values: np.ndarray) -> float:
    return float(values.sum())

@pipeline
def arrays() -> None:
    total(make())
"""
)

# The floors write a new file and put it in the old one's place, as anything that keeps its results must: truncating
# the old file first would give its memory back just in time, which on a virtual machine is most of the difference.
ARRAY_FLOOR = """
import os
import numpy as np
values = np.random.default_rng(0).random(50_000_000)
np.save("new.npy", values)
del values
print(np.load("new.npy").sum())
os.replace("new.npy", "floor.npy")
"""

_FRAME = """
def frame():
    rng = np.random.default_rng(0)
    data = {f"f{i}": rng.random(10_000_000) for i in range(4)}
    data["i"] = rng.integers(0, 1 << 40, 10_000_000)
    data["j"] = rng.integers(0, 1 << 20, 10_000_000).astype("int32")
    return pd.DataFrame(data)
"""

FRAME = (
    "import numpy as np\nimport pandas as pd\n"
    + _IMPORT
    + _FRAME
    + """
@step
def make() -> pd.DataFrame:
    return frame()

@step
def total(table: pd.DataFrame) -> float:
    return float(table["f0"].sum())

@pipeline
def frames() -> None:
    total(make())
"""
)

FRAME_FLOOR = (
    "import os\nimport numpy as np\nimport pandas as pd\n"
    + _FRAME
    + "frame().to_feather('new.feather', compression='uncompressed')\n"
    + "print(pd.read_feather('new.feather')['f0'].sum())\nos.replace('new.feather', 'floor.feather')\n"
)

SHAPES = (
    _IMPORT
    + """
@step
def add(x: int) -> int:
    return x + 1

@pipeline
def chain(length: int = 1000) -> None:
    x = 0
    for _ in range(length):
        x = add(x)

@pipeline
def fan(length: int = 1000) -> None:
    for number in range(length):
        add(number)
"""
)

# An engine's own calls: `bare.py ENGINE SHAPE ADDRESS` prints seconds a call, its workers up before.
BARE = """
import os, sys, time

def add(x):
    return x + 1

def measure(call, wait, shape, count):
    started, x = time.perf_counter(), 0
    if shape == "chain":
        for _ in range(count):
            x = wait(call(x))
    else:
        for each in [call(number) for number in range(count)]:
            wait(each)
    return (time.perf_counter() - started) / count

if __name__ == "__main__":
    engine, shape, address = sys.argv[1:4]
    if engine == "call":  # nothing to compare a plain call with: the budget is the yardstick
        print(0.001)
    elif engine == "pool":
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
            call, wait = lambda x: pool.submit(add, x), lambda future: future.result()
            measure(call, wait, shape, 100)
            print(measure(call, wait, shape, 1000))
    else:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # the cluster is on the loopback, so this has to be, too
        import ray

        ray.init(address, log_to_driver=False)
        remote = ray.remote(add)
        measure(remote.remote, ray.get, shape, 100)
        print(measure(remote.remote, ray.get, shape, 1000))
"""

_BURN = """
import time

def burn(number):
    started = time.process_time()
    while time.process_time() - started < 0.5:
        number += sum(range(1000))
    return number
"""

BURN = (
    _IMPORT
    + _BURN
    + "@step\ndef work(number: int) -> int:\n    return burn(number)\n"
    + "@pipeline\ndef eight() -> None:\n    for number in range(8):\n        work(number)\n"
)

BURN_FLOOR = (
    _BURN
    + "if __name__ == '__main__':\n    import multiprocessing\n"
    + "    with multiprocessing.get_context('fork').Pool(2) as pool:\n        print(len(pool.map(burn, range(8), chunksize=1)))\n"
)
