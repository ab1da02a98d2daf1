"""The same pipelines on every engine: what they return, record and cache is the same wherever their steps run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import Interrupted, StepFailedError, UsageError
from mlxkit.pipelines.loader import Target, run_file
from mlxkit.pipelines.saying import SaidReporter
from mlxkit.pipelines.session import RunOptions, Session
from mlxkit.runs.history import History
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import StepRecord
from tests.fixtures.ray_cluster import RayCluster

ENGINES = {"here": None, "workers": "2", "cold workers": "2", "ray": None}

Run = Callable[..., dict[str, StepRecord]]


# What a worker that is started cold could do differently: it has nothing of the driver but what travels.
COLD = (
    "test_fan_out_and_reduce", "test_a_class_that_a_step_does_not_name_is_there_for_its_inputs", "test_what_decorators_made_of_functions_travels", "test_classes_functions_and_modules_of_the_project_travel", "test_a_materializer_of_the_project_is_used",
    "test_a_worker_that_dies_costs_its_step", "test_random_numbers_differ_by_step_and_repeat_with_the_seed_of_the_file",
    "test_the_environment_and_the_folder_of_the_body_are_those_of_the_step",
)  # fmt: skip

# What is the driver's own doing, or a worker's on any engine: a cluster would only take longer.
NO_CLUSTER = (
    "test_a_body_that_passes_on_what_has_failed_goes_on", "test_what_decorators_made_of_functions_travels",
    "test_what_of_a_step_cannot_be_sent_costs_that_step", "test_words_that_cannot_be_written_do_not_end_the_run",
)  # fmt: skip
WORKERS_ONLY = (
    "test_a_signal_before_a_step_has_begun_ends_it_in_the_same_words",
    "test_ctrl_c_while_a_step_is_written_down_leaves_it_as_it_ended",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on each engine."""
    if "engine" in metafunc.fixturenames:
        test = metafunc.function.__name__
        names = [name for name in ENGINES if name != "cold workers" or test in COLD]
        if test in NO_CLUSTER:
            names.remove("ray")
        if test in WORKERS_ONLY:
            names = ["workers"]
        metafunc.parametrize("engine", names, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An engine by name; its stack or its options make the pipeline's steps run on it."""
    name: str = request.param
    if name == "cold workers":
        monkeypatch.setenv("MLX_WORKER_START", "spawn")
    return name


@pytest.fixture
def run(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Run]:
    """Run a file on the engine and return its steps by name; `workers=None` has them run here."""
    monkeypatch.chdir(tmp_path)
    config, stack = "version: 1\n", None
    if engine == "ray":
        cluster: RayCluster = request.getfixturevalue("ray_cluster")
        config += f"orchestrators: {{cluster: {{flavor: ray, address: '{cluster.address}', losses: 0}}}}\n"
        config += "stacks: {far: {orchestrator: cluster}}\n"
        stack = "far"
    (tmp_path / "mlx.yaml").write_text(config)

    def run_it(source: str, **options: Any) -> dict[str, StepRecord]:
        file = tmp_path / "flow.py"
        file.write_text("from mlxkit import pipeline, step\n" + textwrap.dedent(source))
        if stack is not None and "workers" not in options:
            options["stack"] = stack
        options = {"workers": ENGINES[engine], **options}
        session = Session(RunOptions(file=file, **options))
        failure: Exception | None = None
        try:
            run_file(session, Target(file, None), [])
        except StepFailedError as error:
            failure = error
        steps = {item.name: item for item in RunQueries(session.history).steps(session.made[-1])}
        run = RunQueries(session.history).get(session.made[-1])
        assert (run.status == "failed") is (failure is not None)
        session.history.close()
        return steps

    yield run_it
    for name, module in list(sys.modules.items()):  # the next engine imports them anew
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def out(steps: dict[str, StepRecord], name: str) -> str:
    output = steps[name].outputs[0]
    assert output.inline is not None
    return output.inline.decode()


def states(steps: dict[str, StepRecord]) -> dict[str, str]:
    return {name: item.status for name, item in steps.items()}


FAN = """
    @step
    def load() -> list:
        return [1, 2, 3, 4]

    @step
    def square(value: int) -> int:
        return value * value

    @step
    def total(values: list) -> int:
        return sum(values)

    @pipeline
    def fan():
        total([square(value) for value in load()])

    fan()
"""


def test_fan_out_and_reduce(run: Run) -> None:
    steps = run(FAN)
    assert out(steps, "total") == "30"
    assert [item.position for item in steps.values()] == list(range(6))
    assert states(run(FAN)) == dict.fromkeys(steps, "cached")


def test_a_cache_key_is_the_same_on_every_engine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = run(FAN)
    here = run(FAN, workers=None)
    assert states(here) == dict.fromkeys(steps, "cached")
    assert {name: item.cache_key for name, item in here.items()} == {
        name: item.cache_key for name, item in steps.items()
    }


def test_a_diamond(run: Run) -> None:
    steps = run("""
        @step
        def top() -> int: return 2
        @step
        def left(x: int) -> int: return x + 1
        @step
        def right(x: int) -> int: return x * 10
        @step
        def bottom(a: int, b: int) -> int: return a + b
        @pipeline
        def diamond():
            x = top()
            bottom(left(x), right(x))
        diamond()
    """)
    assert out(steps, "bottom") == "23"
    assert steps["bottom"].inputs["a"]["from"] == "left.output"


def test_the_body_uses_values_while_steps_run(run: Run) -> None:
    steps = run("""
        @step
        def score(x: int) -> float: return x / 10
        @step
        def keep(x: int) -> int: return x
        @step
        def drop(x: int) -> int: return -x
        @pipeline
        def choose():
            best = None
            for x in range(6):
                value = score(x)
                if value > 0.4:
                    best = keep(x)
                    break
            else:
                drop(0)
            assert f"{best}" == "5"
        choose()
    """)
    assert [name for name in steps if name.startswith("score")] == [
        "score",
        *(f"score_{i}" for i in range(2, 7)),
    ]
    assert "keep" in steps and "drop" not in steps


def test_a_failure_ends_what_depends_on_it_and_nothing_else(run: Run) -> None:
    steps = run("""
        @step
        def bad() -> int: raise ValueError("not today")
        @step
        def good() -> int: return 1
        @step
        def after(x: int) -> int: return x
        @pipeline
        def mixed():
            after(bad()); after(good())
        mixed()
    """)
    assert states(steps) == {"bad": "failed", "after": "skipped", "good": "completed", "after_2": "completed"}
    assert "not today" in steps["bad"].error and "flow.py" in steps["bad"].error
    assert steps["after"].reason == "step 'bad' did not complete"


def test_a_body_that_passes_on_what_has_failed_goes_on(run: Run) -> None:
    steps = run("""
        from mlxkit.errors import StepFailedError
        @step
        def bad() -> int: raise ValueError("not today")
        @step
        def after(x: int) -> int: return x
        @step
        def good() -> int: return 1
        @pipeline
        def mixed():
            made = bad()
            try: made.load()
            except StepFailedError: pass
            after(made); good()
        mixed()
    """)
    assert states(steps) == {"bad": "failed", "after": "skipped", "good": "completed"}


def test_a_step_is_tried_again(run: Run, tmp_path: Path) -> None:
    steps = run(f"""
        from pathlib import Path
        @step(retries=2)
        def flaky() -> int:
            seen = Path({str(tmp_path / "seen")!r})
            count = len(seen.read_text()) if seen.exists() else 0
            seen.write_text("x" * (count + 1))
            if count < 2: raise RuntimeError("again")
            return count
        @pipeline
        def flow(): flaky()
        flow()
    """)
    assert (
        steps["flaky"].status == "completed" and steps["flaky"].attempts == 3 and out(steps, "flaky") == "2"
    )


def test_state_counts_as_it_is_when_the_step_is_called(run: Run) -> None:
    steps = run("""
        CONFIG = {"rate": 0}
        @step
        def train() -> int: return CONFIG["rate"]
        @step
        def both(a: int, b: int) -> list: return [a, b]
        @pipeline
        def sweep():
            made = []
            for rate in (1, 2):
                CONFIG["rate"] = rate
                made.append(train())
            CONFIG["rate"] = 99
            both(*made)
        sweep()
    """)
    assert out(steps, "both") == "[1,2]"


def test_classes_functions_and_modules_of_the_project_travel(run: Run, tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(
        textwrap.dedent("""
        import threading
        LOCK = threading.Lock()
        SCALE = 3
        class Box:
            def __init__(self, value): self.value = value
        def scaled(box): return Box(box.value * SCALE)
        """)
    )
    source = """
        from dataclasses import dataclass
        import helpers
        from helpers import Box
        @dataclass
        class Config:
            depth: int
        @step
        def make(depth: int) -> Config: return Config(depth)
        @step
        def use(config: Config) -> Box:
            assert isinstance(config, Config)
            helpers.SCALE
            return helpers.scaled(Box(config.depth))
        @step
        def read(box: Box) -> int:
            import helpers as again
            assert isinstance(box, Box) and isinstance(box, again.Box)
            return box.value
        @pipeline
        def flow():
            box = use(make(4))
            assert isinstance(box.load(), Box)
            read(box)
        flow()
    """
    steps = run(source)
    assert states(steps) == dict.fromkeys(steps, "completed"), steps
    assert out(steps, "read") == "12"
    assert states(run(source, workers=None)) == dict.fromkeys(steps, "cached")


def test_what_decorators_made_of_functions_travels(run: Run, tmp_path: Path) -> None:
    (tmp_path / "numbers_of_ours.py").write_text(
        textwrap.dedent("""
        from functools import lru_cache
        from typing import NewType
        Count = NewType("Count", int)
        @lru_cache(maxsize=None)
        def fib(n: Count) -> Count: return n if n < 2 else fib(n - 1) + fib(n - 2)
        class Table:
            @lru_cache(maxsize=8)
            def row(self, n): return n * 2
        """)
    )
    steps = run("""
        from functools import cache, update_wrapper
        from numbers_of_ours import Table, fib
        class Named:
            def __init__(self, function): self.function = function; update_wrapper(self, function)
            def __call__(self, *args): return self.function(*args)
            def title(self): return self.__name__.title()
        @cache
        def even(n): return n == 0 or not even(n - 1)
        @Named
        def plain(x): return x
        @step
        def other() -> int: return 1
        @step
        def use() -> list:
            return [fib(30), Table().row(4), even(4), even.cache_info().currsize, plain(2), plain.title(), other.name, use.name, other()]
        @pipeline
        def flow(): use()
        flow()
    """)
    assert out(steps, "use") == '[832040,8,true,5,2,"Plain","other","use",1]'


def test_a_class_that_a_step_does_not_name_is_there_for_its_inputs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shapes.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Thing:\n    depth: int\n"
    )
    steps = run("""
        from dataclasses import dataclass
        from enum import Enum
        from shapes import Thing
        SCALE = 2
        @dataclass
        class Config:
            depth: int
            def scaled(self): return self.depth * SCALE
            class Kind(Enum):
                A = 1
        @step
        def use(config) -> int: return config["it"].scaled()
        @step
        def read(values: list) -> list: return [values[0].name, values[1].depth]
        @pipeline
        def flow():
            use({"it": Config(3)})
            read([Config.Kind.A, Thing(4)])
        flow()
    """)
    assert states(steps) == dict.fromkeys(steps, "completed"), [item.error for item in steps.values()]
    assert (out(steps, "use"), out(steps, "read")) == ("6", '["A",4]')


def test_a_materializer_of_the_project_is_used(run: Run) -> None:
    source = """
        from pathlib import Path
        from mlxkit.artifacts.materializers.base import BaseMaterializer
        class Point:
            def __init__(self, x): self.x = x
        class PointMaterializer(BaseMaterializer):
            ASSOCIATED_TYPES = (Point,)
            def save(self, data): Path(self.uri, "x").write_text(str(data.x))
            def load(self, data_type): return Point(int(Path(self.uri, "x").read_text()))
        @step
        def make() -> Point: return Point(7)
        @step
        def read(point: Point) -> int: return point.x
        @pipeline
        def flow(): read(make())
        flow()
    """
    steps = run(source)
    assert out(steps, "read") == "7" and steps["make"].outputs[0].materializer.startswith("custom")
    assert states(run(source, workers=None)) == dict.fromkeys(steps, "cached")


def test_equal_steps_are_computed_once(run: Run, tmp_path: Path) -> None:
    steps = run(f"""
        import os, time
        @step
        def same() -> int:
            with open({str(tmp_path / "calls")!r}, "a") as file: file.write("x")
            time.sleep(0.2)
            return 1
        @pipeline
        def flow(): same(); same(); same()
        flow()
    """)
    assert (tmp_path / "calls").read_text() == "x"
    assert sorted(item.status for item in steps.values()) == ["cached", "cached", "completed"]


def test_hooks_metadata_and_several_outputs(run: Run, tmp_path: Path) -> None:
    steps = run(f"""
        from typing import Annotated
        from pathlib import Path
        from mlxkit import get_step_context, log_metadata, save_artifact, load_artifact
        def hook():
            Path({str(tmp_path / "hooked")!r}).write_text(get_step_context().name)
        @step(on_success=hook)
        def two() -> tuple[Annotated[int, "a"], Annotated[str, "b"]]:
            log_metadata({{"rows": 3}})
            save_artifact([1, 2], "side")
            return 1, get_step_context().run.run_name
        @step
        def look(b: str) -> list: return load_artifact("side")
        @pipeline
        def flow():
            a, b = two()
            look(b)
        flow()
    """)
    assert states(steps) == dict.fromkeys(steps, "completed"), steps
    assert steps["two"].metadata["rows"] == 3 and (tmp_path / "hooked").read_text() == "two"
    assert [item.name for item in steps["two"].outputs] == ["a", "b", "side"]


def test_what_steps_print_is_kept_in_their_logs(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run("""
        import sys
        @step
        def talk(word: str) -> int:
            print("hello", word); print("to you", file=sys.stderr); sys.stdout.write("no end")
            return 1
        @pipeline
        def flow(): talk("a"); talk("b")
        flow()
    """)
    (folder,) = (tmp_path / ".mlx" / "logs").iterdir()
    logs = sorted(folder.iterdir())
    assert [path.name for path in logs] == ["00000-talk.log", "00001-talk_2.log"]
    assert logs[0].read_text() == "hello a\nto you\nno end" and "hello b" in logs[1].read_text()
    printed = capfd.readouterr()
    assert "hello a" in printed.out + printed.err


def test_a_step_that_nothing_can_be_sent_of_says_what(run: Run, engine: str) -> None:
    source = """
        import socket, threading
        LOCK, HERE, OPEN = threading.RLock(), threading.local(), socket.socket()
        HERE.value = 0
        @step
        def waits() -> int:
            with LOCK: return HERE.value
        @step
        def asks() -> bool:
            with LOCK: return OPEN.fileno() > HERE.value
        @pipeline
        def flow(): waits(); asks()
        flow()
    """
    if engine == "here":
        assert states(run(source)) == {"waits": "completed", "asks": "completed"}
    else:
        with pytest.raises(UsageError, match="its global 'OPEN'"):
            run(source)


def test_a_worker_that_dies_costs_its_step(run: Run, engine: str) -> None:
    if engine == "here":
        pytest.skip("the step would end this process")
    steps = run("""
        import os, signal, time
        @step
        def dies() -> int: os.kill(os.getpid(), signal.SIGKILL)
        @step
        def lives(x: int) -> int:
            time.sleep(0.3)
            return x
        @pipeline
        def flow(): dies(); lives(1); lives(2); lives(3)
        flow()
    """)
    assert states(steps) == {
        "dies": "failed",
        "lives": "completed",
        "lives_2": "completed",
        "lives_3": "completed",
    }
    assert ("worker process died" if engine == "ray" else "signal 9") in steps["dies"].error


def test_a_lost_step_is_given_to_another_worker_as_often_as_it_may_be_tried(
    run: Run, engine: str, tmp_path: Path
) -> None:
    if engine == "here":
        pytest.skip("the step would end this process")
    steps = run(f"""
        import os, signal
        from pathlib import Path
        @step(retries=1)
        def dies_once() -> int:
            seen = Path({str(tmp_path / "seen")!r})
            if not seen.exists():
                seen.write_text("x"); os.kill(os.getpid(), signal.SIGKILL)
            return 5
        @pipeline
        def flow(): dies_once()
        flow()
    """)
    assert steps["dies_once"].status == "completed" and steps["dies_once"].attempts == 2


def test_what_can_never_be_given_is_refused_before_it_is_asked_for(run: Run, engine: str) -> None:
    source = """
        from mlxkit import ResourceSettings
        @step(resources=ResourceSettings(gpu_count=64, memory="4GB"))
        def big() -> int: return 1
        @pipeline
        def flow(): big()
        flow()
    """
    if engine == "here":
        assert states(run(source)) == {"big": "completed"}
    else:
        with pytest.raises(UsageError, match=r"step 'big' needs GPU=64; .* GPU=0"):
            run(source)


def test_nothing_is_left_running(run: Run) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text() if children.exists() else ""  # a cluster of the tests' own among them
    run(FAN)
    assert not children.exists() or children.read_text() == before


def test_what_a_step_changes_of_its_process_is_not_there_for_the_next(run: Run, engine: str) -> None:
    if engine == "here":
        pytest.skip("one process, and what steps do to it")
    steps = run("""
        import os
        @step
        def change() -> int:
            os.environ["LEFT_BY_A_STEP"] = "1"
            os.chdir("/")
            return 1
        @step
        def look(x: int) -> list: return [os.environ.get("LEFT_BY_A_STEP"), os.getcwd() == "/"]
        @pipeline
        def flow(): look(change())
        flow()
    """)
    assert out(steps, "look") == "[null,false]"


def test_what_the_body_changes_after_a_call_is_not_what_the_step_gets_nor_what_it_is_cached_by(
    run: Run,
) -> None:
    source = """
        import time
        CFG = {"x": 0}
        @step
        def slow() -> int:
            time.sleep(0.3)
            return 10
        @step
        def add(start: int, values: list) -> list: return [start + CFG["x"], *values]
        @pipeline
        def flow():
            values = []
            start = slow()
            for x in 1, 2, 3:
                CFG["x"] = x
                values.append(x)
                add(start, values)
            CFG["x"] = 99
        flow()
    """
    steps = run(source)
    assert [out(steps, name) for name in ("add", "add_2", "add_3")] == ["[11,1]", "[12,1,2]", "[13,1,2,3]"]
    assert states(run(source, workers=None)) == dict.fromkeys(steps, "cached")


@pytest.mark.parametrize("stop", ["raise asyncio.CancelledError()", "raise GeneratorExit()"])
def test_whatever_a_step_raises_it_fails_and_the_others_go_on(run: Run, stop: str) -> None:
    steps = run(f"""
        import asyncio
        @step
        def stops() -> int: {stop}
        @step
        def good() -> int: return 1
        @pipeline
        def flow(): stops(); good()
        flow()
    """)
    assert states(steps) == {"stops": "failed", "good": "completed"}


def test_words_that_cannot_be_written_do_not_end_the_run(run: Run) -> None:
    steps = run("""
        @step
        def odd() -> int: raise FileNotFoundError("caf\\udce9.csv")
        @step
        def good() -> int: return 1
        @pipeline
        def flow(): odd(); good()
        flow()
    """)
    assert states(steps) == {"odd": "failed", "good": "completed"}
    assert steps["odd"].error.endswith("caf\\udce9.csv")


def test_a_step_that_a_signal_ends_is_no_success(run: Run, engine: str) -> None:
    if engine == "here":
        pytest.skip("the signal would end the run")
    steps = run("""
        import os, signal, time
        @step
        def stops() -> int:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
        @step
        def good() -> int: return 1
        @pipeline
        def flow(): stops(); good()
        flow()
    """)
    assert states(steps) == {"stops": "failed", "good": "completed"}


def test_a_signal_before_a_step_has_begun_ends_it_in_the_same_words(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_WORKER_START", "fork")  # a worker that is forked has the patch, too
    monkeypatch.setattr(SaidReporter, "step_started", lambda *_: signal.raise_signal(signal.SIGTERM))
    steps = run("""
        @step
        def never() -> int: return 1
        @pipeline
        def flow(): never()
        flow()
    """)
    assert (steps["never"].status, steps["never"].error) == ("failed", "a signal ended it on its worker")


def test_ctrl_c_while_a_step_is_written_down_leaves_it_as_it_ended(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write = History.record_step

    def write_and_interrupt(history: History, step: StepRecord) -> None:
        write(history, step)
        if step.name == "first":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(History, "record_step", write_and_interrupt)
    source = """
        import time
        @step
        def first() -> int: return 1
        @step
        def long() -> int:
            time.sleep(60)
            return 1
        @step
        def after(x: int, y: int) -> int: return x
        @pipeline
        def flow(): after(first(), long())
        flow()
    """
    for status in ("completed", "cached"):
        with pytest.raises(Interrupted):
            run(source)
        with closing(History.to_read(tmp_path / ".mlx")) as history:
            latest = RunQueries(history).get("latest")
            steps = {item.name: item.status for item in RunQueries(history).steps(latest.id)}
        assert latest.status == "killed"
        assert steps.pop("first") == status
        assert set(steps.values()) <= {"killed", "skipped"}  # as far as they had come


def test_what_of_a_step_cannot_be_sent_costs_that_step(run: Run, engine: str) -> None:
    steps = run("""
        @step(settings={"experiment_tracker": {"tags": {"odd": (i for i in [])}}})
        def odd() -> int: return 1
        @step
        def good() -> int: return 1
        @pipeline
        def flow(): odd(); good()
        flow()
    """)
    assert states(steps) == {"odd": "completed" if engine == "here" else "failed", "good": "completed"}


def test_random_numbers_differ_by_step_and_repeat_with_the_seed_of_the_file(run: Run, engine: str) -> None:
    if engine == "here":
        pytest.skip("one process draws from one sequence")
    source = """
        import random
        import numpy
        random.seed(1); numpy.random.seed(1)
        @step(enable_cache=False)
        def draw(i: int) -> list: return [random.random(), float(numpy.random.rand())]
        @pipeline
        def flow(): draw(1); draw(2); draw(3)
        flow()
    """
    drawn = [
        out(steps, name) for steps in (run(source), run(source)) for name in ("draw", "draw_2", "draw_3")
    ]
    assert len(set(drawn)) == 3 and drawn[:3] == drawn[3:]


def test_a_module_of_the_project_is_one_thing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(
        "VALUE = 1\nCOUNT = 0\ndef use(): return VALUE\ndef bump():\n    global COUNT\n    COUNT += 1\n"
    )
    steps = run("""
        import settings
        @step
        def change() -> list:
            settings.VALUE = 5
            settings.bump(); settings.bump()
            return [settings.use(), settings.COUNT]
        @pipeline
        def flow(): change()
        flow()
    """)
    assert out(steps, "change") == "[5,2]"


def test_the_environment_and_the_folder_of_the_body_are_those_of_the_step(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    steps = run("""
        import os
        @step
        def first() -> int: return 1
        @step
        def look(x: int) -> list: return [os.environ.get("FROM_THE_BODY"), os.path.basename(os.getcwd())]
        @pipeline
        def flow():
            x = first()
            x.load()
            os.environ["FROM_THE_BODY"] = "yes"
            os.chdir("sub")
            look(x)
            os.environ.pop("FROM_THE_BODY")
            os.chdir("..")
        flow()
    """)
    assert out(steps, "look") == '["yes","sub"]'


def test_the_standard_streams_of_a_step_are_streams(run: Run, tmp_path: Path, engine: str) -> None:
    if engine == "here":
        pytest.skip("bytes and children write past the log there")
    run("""
        import faulthandler, io, subprocess, sys
        @step
        def talk() -> int:
            subprocess.run(["echo", "from a child"], stdout=sys.stdout, check=True)
            sys.stdout.buffer.write("grüße\\n".encode())
            sys.stdout.reconfigure(line_buffering=True)
            print("closed" if sys.stdout.closed else "open")
            return 1
        @pipeline
        def flow(): talk()
        flow()
    """)
    (log,) = next((tmp_path / ".mlx" / "logs").iterdir()).iterdir()
    assert "grüße\nopen\n" in log.read_text()


def test_a_secret_that_a_step_reads_is_written_down_nowhere(run: Run, tmp_path: Path, engine: str) -> None:
    os.environ["MLX_SECRET_CANARY__KEY"] = "Canary-4711-value"
    try:
        run("""
            import os, subprocess
            from mlxkit import Client, log_metadata
            @step
            def read() -> int:
                value = Client().secrets.value("canary", "key").reveal()
                print("whole", value)
                log_metadata({"address": f"db://{value}@host"})
                if os.environ.get("NO_CHILD") != "1":
                    subprocess.run(["echo", value], check=True)
                raise ValueError(f"cannot reach db://{value}@host")
            @pipeline
            def flow(): read()
            flow()
        """)
    finally:
        del os.environ["MLX_SECRET_CANARY__KEY"]
    state = tmp_path / ".mlx"
    found = [path for path in state.rglob("*") if path.is_file() and b"Canary-4711" in path.read_bytes()]
    assert found == []


def test_ctrl_c_ends_what_runs_and_skips_what_waits(tmp_path: Path) -> None:
    (tmp_path / "mlx.yaml").write_text("version: 1\n")
    (tmp_path / "slow.py").write_text(
        textwrap.dedent("""
        import os, time
        from pathlib import Path
        from mlxkit import pipeline, step
        @step
        def nap(i: int) -> int:
            Path(f"pid{i}").write_text(str(os.getpid()))
            try:
                time.sleep(60)
            finally:
                Path(f"cleaned{i}").touch()
            return i
        @step
        def after(x: int) -> int: return x
        @pipeline
        def flow():
            for i in range(3): after(nap(i))
            Path("called").touch()
        flow()
        """)
    )
    command = [sys.executable, "-m", "mlxkit", "run", "slow.py", "--workers", "2"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as driver:
        pids = [tmp_path / "pid0", tmp_path / "pid1"]
        until(lambda: all(path.exists() and path.read_text() for path in pids))
        until((tmp_path / "called").exists)
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert (tmp_path / "cleaned0").exists() and (tmp_path / "cleaned1").exists()
    for path in pids:
        until(lambda path=path: not Path("/proc", path.read_text()).exists())
    with closing(History.to_read(tmp_path / ".mlx")) as history:
        run = RunQueries(history).get("latest")
        steps = {item.name: item.status for item in RunQueries(history).steps(run.id)}
    assert run.status == "killed"
    assert steps == {
        "nap": "killed", "after": "skipped", "nap_2": "killed", "after_2": "skipped", "nap_3": "skipped", "after_3": "skipped",
    }  # fmt: skip


def test_a_driver_that_is_killed_leaves_no_worker(tmp_path: Path) -> None:
    (tmp_path / "mlx.yaml").write_text("version: 1\n")
    (tmp_path / "slow.py").write_text(
        "import os, time\nfrom pathlib import Path\nfrom mlxkit import pipeline, step\n"
        "@step\ndef nap() -> int:\n    Path('pid').write_text(str(os.getpid()))\n    time.sleep(60)\n    return 1\n"
        "@pipeline\ndef flow(): nap()\nflow()\n"
    )
    command = [sys.executable, "-m", "mlxkit", "run", "slow.py", "--workers", "2"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as driver:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        driver.kill()
        driver.wait(60)
    until(lambda: not Path("/proc", (tmp_path / "pid").read_text()).exists())


def until(is_so: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.02)
