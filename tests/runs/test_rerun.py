"""Runs done again: whatever became of the file since, the old result comes out, and the checkout stays as it is."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from tests.runs.test_code import git

PIPELINE = """
    from pathlib import Path
    from mlxkit import pipeline, step
    from helper import factor

    HERE = Path(__file__).resolve().parent

    @step
    def load(n: int) -> int:
        assert HERE.is_dir()
        return int(Path("data.txt").read_text()) * n

    @step
    def scale(x: int) -> int:
        return factor(x)

    @pipeline
    def train(n: int = 2) -> None:
        print("RESULT", int(scale(load(n))))
"""


class Project:
    """A folder with a pipeline in it, driven by real processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("mlx.yaml", "version: 1\nstacks:\n  plain: {}\n")
        self.write("p.py", PIPELINE)
        self.write("helper.py", "def factor(x): return x * 10\n")
        self.write("data.txt", "7\n")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def commit(self) -> None:
        if not (self.folder / ".git").exists():
            git(self.folder, "init", "-q")
            (self.folder / ".git/info/exclude").write_text("__pycache__/\n")
        git(self.folder, "add", ".")
        git(self.folder, "commit", "-q", "-m", "x")

    def mlx(self, *words: str, code: int = 0, cwd: Path | None = None, **env: str) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "mlxkit", *words], cwd=cwd or self.folder, env={**os.environ, **env},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, done.stderr

    def run(self, *words: str, **options: Any) -> str:
        """Run the pipeline and return the id of the run."""
        self.mlx("run", *(words or ("p.py",)), **options)
        return self.last()["id"]

    def last(self) -> dict[str, Any]:
        return dict(json.loads(self.mlx("runs", "describe", "latest", "-o", "json")[0]))

    def rerun(self, run: str, *words: str, code: int = 0, **options: Any) -> tuple[str, dict[str, Any], str]:
        """Do a run again; returns the result that it printed (on stderr), the record of the comparison, and stderr."""
        out, err = self.mlx("runs", "rerun", run, "-o", "json", *words, code=code, **options)
        said = next((line for line in err.splitlines() if line.startswith("RESULT")), "")
        return said, json.loads(out or "{}"), err

    def is_clean(self) -> bool:
        """Say whether nothing of a rerun is left, here or in the repository."""
        left = [path for path in (self.folder / ".mlx" / "reruns").iterdir() if path.is_dir()]
        trees = git(self.folder, "worktree", "list").splitlines() if (self.folder / ".git").exists() else [""]
        return not left and len(trees) == 1 and not list((self.folder / ".git" / "worktrees").glob("*"))


@pytest.fixture
def project(home: Path) -> Project:
    return Project(Path.cwd())


def test_a_run_of_a_commit_gives_the_old_result_after_the_files_were_edited(project: Project) -> None:
    project.commit()
    run = project.run("p.py", "--n", "3")
    project.write("helper.py", "def factor(x): return x * 1000\n")
    project.write("p.py", PIPELINE.replace("* n", "* n + 1"))
    project.write("data.txt", "8\n")
    before = {name: (project.folder / name).read_bytes() for name in ("p.py", "helper.py", "data.txt")}
    status = git(project.folder, "status", "--porcelain")  # which itself refreshes the index
    index = (project.folder / ".git" / "index").read_bytes()
    said, result, _ = project.rerun(run)
    assert (
        said == "RESULT 210" and result["same_keys"] and {s["status"] for s in result["steps"]} == {"cached"}
    )
    said, result, _ = project.rerun(run, "--no-cache")
    assert (
        said == "RESULT 210" and result["same_keys"] and result["same_outputs"] and result["rerun_of"] == run
    )
    assert {step["status"] for step in result["steps"]} == {"completed"}
    new = project.last()
    assert new["metadata"]["rerun_of"] == run and new["parameters"] == {"n": 3} and new["file"] == "p.py"
    assert {name: (project.folder / name).read_bytes() for name in before} == before
    assert (project.folder / ".git" / "index").read_bytes() == index
    assert git(project.folder, "status", "--porcelain") == status and project.is_clean()


def test_uncommitted_changes_of_then_are_part_of_it_and_a_rerun_can_be_done_again(project: Project) -> None:
    project.commit()
    project.write("helper.py", "def factor(x): return x * 11\n")
    run = project.run()
    git(project.folder, "checkout", "-q", "helper.py")
    said, result, _ = project.rerun(run, "--no-cache")
    assert said == "RESULT 154" and result["same_keys"]
    said, again, _ = project.rerun(result["run"], "--no-cache")
    assert said == "RESULT 154" and again["same_keys"] and again["rerun_of"] == result["run"]
    assert project.last()["metadata"]["invocation"]["root"] == str(project.folder.resolve())
    assert not (project.folder / ".mlx" / "sources").exists(), "git had it all"


def test_without_git_the_sources_are_kept_privately_and_once(project: Project) -> None:
    run = project.run()
    project.run()
    kept = [path for path in (project.folder / ".mlx" / "sources").rglob("*") if path.is_file()]
    assert len(kept) == 2 and {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in kept} == {0o700}
    project.write("helper.py", "def factor(x): return 0\n")
    project.write("p.py", "import nothing_that_there_is\n")
    said, result, _ = project.rerun(run, "--no-cache")
    assert said == "RESULT 140" and result["same_keys"] and project.is_clean()
    (kept[0]).write_text("print('tampered with')\n")
    _, _, err = project.rerun(run, code=3)
    assert "the kept source" in err and project.is_clean()


@pytest.mark.parametrize("how", ["untracked", "ignored"])
def test_a_helper_that_git_does_not_have_is_kept(project: Project, how: str) -> None:
    project.write(".gitignore", "data.txt\n" + ("helper.py\n" if how == "ignored" else ""))
    (project.folder / "helper.py").rename(project.folder / "aside")
    project.commit()
    (project.folder / "aside").rename(project.folder / "helper.py")
    run = project.run()
    record = project.last()["code"]
    assert record["sources"].keys() >= {"helper.py"} and record["is_exact"] == (how == "ignored")
    project.write("helper.py", "def factor(x): return -x\n")
    said, result, _ = project.rerun(run, "--no-cache")
    assert said == "RESULT 140" and result["same_keys"], "data.txt is ignored, and read from beside the code"


def test_a_module_that_is_imported_late_is_kept_too(project: Project) -> None:
    project.write("p.py", PIPELINE.replace("    from helper import factor\n", "").replace("return factor(x)", "from helper import factor\n        return factor(x)"))  # fmt: skip
    run = project.run()
    project.write("helper.py", "def factor(x): return 1\n")
    assert project.rerun(run, "--no-cache")[0] == "RESULT 140"


def test_what_differs_is_said_step_by_step(project: Project) -> None:
    project.commit()
    run = project.run()
    with sqlite3.connect(
        project.folder / ".mlx" / "history.db"
    ) as db:  # as if the code of then had been another
        (text,) = db.execute("SELECT parts FROM steps WHERE name = 'scale' AND run_id = ?", (run,)).fetchone()
        parts = {**json.loads(text), "function helper.factor": "another", "package numpy": "1.0"}
        db.execute("UPDATE steps SET parts = ?, cache_key = 'k' WHERE name = 'scale'", (json.dumps(parts),))
    out, _ = project.mlx("runs", "rerun", run, code=1)
    assert "scale" in out and "helper `factor` changed; package numpy is no longer used" in out
    assert "load" not in "".join(line for line in out.splitlines() if "\t" in line)


def test_another_environment_is_named_and_can_be_refused(project: Project) -> None:
    project.commit()
    run = project.run()
    with sqlite3.connect(project.folder / ".mlx" / "history.db") as db:
        ((digest, body),) = db.execute("SELECT digest, body FROM environments").fetchall()
        found = json.loads(body)
        found["python"], found["distributions"]["typer"] = "3.1.4", "0.0.1"
        found["distributions"]["gone-for-good"] = "1.0"
        del found["distributions"]["rich"]
        db.execute("UPDATE environments SET body = ? WHERE digest = ?", (json.dumps(found), digest))
    _, _, err = project.rerun(run)
    for words in ("python was 3.1.4, is", "typer was 0.0.1, is", "gone-for-good 1.0 is missing", "rich"):
        assert words in err
    count = len(json.loads(project.mlx("runs", "list", "-o", "json")[0]))
    _, _, err = project.rerun(run, "--same-env", code=4)
    assert "gone-for-good 1.0 is missing" in err
    assert len(json.loads(project.mlx("runs", "list", "-o", "json")[0])) == count
    plan = json.loads(project.mlx("runs", "rerun", run, "--dry-run", "-o", "json")[0])
    assert {"name": "typer", "before": "0.0.1"}.items() <= next(
        item for item in plan["environment"] if item["name"] == "typer"
    ).items()
    assert plan["code"].startswith("commit ") and plan["command"] == "mlx run p.py"


def test_a_commit_that_is_gone_and_a_diff_that_does_not_fit_are_errors(project: Project) -> None:
    project.commit()
    project.write("helper.py", "def factor(x): return x * 11\n")
    run = project.run()
    database = project.folder / ".mlx" / "history.db"
    with sqlite3.connect(database) as db:
        (text,) = db.execute("SELECT code FROM runs").fetchone()
        other = {**json.loads(text), "diff": json.loads(text)["diff"].replace("x * 10", "x * 12")}
        db.execute("UPDATE runs SET code = ?", (json.dumps(other),))
    _, _, err = project.rerun(run, code=3)
    assert "do not fit commit" in err and "Traceback" not in err and project.is_clean()
    with sqlite3.connect(database) as db:
        db.execute("UPDATE runs SET code = ?", (json.dumps({**other, "commit": "f" * 40}),))
    _, _, err = project.rerun(run, code=3)
    assert "commit ffffffffffff" in err and "Traceback" not in err
    with sqlite3.connect(database) as db:
        db.execute("UPDATE runs SET metadata = '{}'")
    assert "was not started from a file" in project.rerun(run, code=2)[2]


def test_two_reruns_at_once_do_not_meet(project: Project) -> None:
    project.commit()
    run = project.run()
    command = [sys.executable, "-m", "mlxkit", "runs", "rerun", run, "--no-cache"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    for process in both:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0 and "RESULT 140" in out, out
    assert project.is_clean()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ended_rerun_leaves_no_worktree(project: Project, how: signal.Signals) -> None:
    flag = project.folder / "slow"
    project.write("helper.py", f"""
        import os, time
        def factor(x):
            if os.path.exists({str(flag)!r}):
                open({str(flag)!r}, "w").write("reached")
                time.sleep(100)
            return x * 10
    """)  # fmt: skip
    project.commit()
    run = project.run()
    flag.write_text("")
    command = [sys.executable, "-m", "mlxkit", "runs", "rerun", run, "--no-cache"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while flag.read_text() != "reached" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not project.is_clean(), "the tree is there while it runs"
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(how, -9), err
    if how is signal.SIGKILL:
        flag.unlink()
        project.rerun(run, "--no-cache")
    assert project.is_clean()


def test_what_the_run_was_told_is_told_again(project: Project, tmp_path: Path) -> None:
    project.write("many.py", """
        import sys
        from mlxkit import pipeline, step

        @step
        def show(text: str, times: int) -> str:
            return text * times

        @pipeline
        def first(text: str = "a", times: int = 1) -> None:
            print("RESULT", str(show(text, times)), *sys.argv[1:])

        @pipeline
        def second(text: str = "b", times: int = 1) -> None:
            print("RESULT", str(show(text, times)), *sys.argv[1:])
    """)  # fmt: skip
    config = project.write(
        "run.yaml", "parameters:\n  text: from-file\nsteps:\n  show: {enable_cache: false}\n"
    )
    project.commit()
    run = project.run("many.py:second", "-p", "times=2", "--config", "run.yaml", "--", "--loud", "x")
    config.unlink()
    (project.folder / "many.py").unlink()
    said, result, _ = project.rerun(run)
    assert said == "RESULT from-filefrom-file --loud x" and result["same_keys"]
    assert result["steps"][0]["status"] == "completed", "run.yaml of then turned the cache off"
    assert project.last()["pipeline"] == "second"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    git(project.folder, "checkout", "-q", ".")
    env = {"MLX_CONFIG": str(project.folder / "mlx.yaml")}
    run = project.run(str(project.folder / "many.py") + ":first", cwd=elsewhere, **env)
    said, result, _ = project.rerun(run, cwd=tmp_path, **env)
    assert said == "RESULT a" and result["same_keys"]


def test_a_plain_script_and_a_file_that_python_started_are_done_again(project: Project) -> None:
    project.write(
        "script.py", "import sys\nprint('RESULT', open('data.txt').read().strip(), *sys.argv[1:])\n"
    )
    run = project.run("script.py", "--loud", "7")
    project.write("script.py", "print('RESULT other')\n")
    assert project.rerun(run)[0] == "RESULT 7 --loud 7"
    project.write("direct.py", PIPELINE.replace('"RESULT"', '"RESULT", "direct"') + "\n    train(n=4)\n")
    subprocess.run(
        [sys.executable, "direct.py"], cwd=project.folder, check=True, capture_output=True, timeout=120
    )
    run = project.last()["id"]
    project.write("direct.py", "")
    said, result, _ = project.rerun(run, "--no-cache")
    assert said == "RESULT direct 280" and result["same_keys"]


def test_a_secret_in_the_words_is_not_kept(project: Project) -> None:
    secret = "s3cr3t-value-of-words"
    project.write("script.py", """
        import sys
        print("RESULT", len(sys.argv))
    """)  # fmt: skip
    code = f"""
        from mlxkit.secrets.masking import register
        register({secret!r})
        from mlxkit.commands.app import main
        raise SystemExit(main(["run", "script.py", "--token", {secret!r}]))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=project.folder, check=True, timeout=120)
    assert secret not in json.dumps(project.last(), ensure_ascii=False)
    assert secret.encode() not in (project.folder / ".mlx" / "history.db").read_bytes()
    assert "was given a secret" in project.rerun("latest", code=2)[2]


def test_a_file_that_the_rerun_writes_is_not_written_into_the_checkout(project: Project) -> None:
    project.write(".gitignore", "*.txt\nbig.bin\n")
    project.write("p.py", """
        from pathlib import Path
        from mlxkit import pipeline, step

        @step(enable_cache=False)
        def count() -> int:
            text = Path("data.txt").read_text() + "x"
            Path("data.txt").write_text(text)
            Path("new.txt").write_text(text)
            return len(text) + Path("big.bin").stat().st_size

        @pipeline
        def train() -> None:
            print("RESULT", int(count()))
    """)  # fmt: skip
    (project.folder / "big.bin").write_bytes(b"\0" * (5 << 20))
    project.commit()
    run = project.run()
    (project.folder / "new.txt").unlink()
    before = (project.folder / "data.txt").read_text()
    said, _, _ = project.rerun(run, code=1)  # it reads what the run has written
    assert said == f"RESULT {len(before) + 1 + (5 << 20)}"
    assert (project.folder / "data.txt").read_text() == before and not (project.folder / "new.txt").exists()


def test_the_stack_of_then_is_used_unless_another_is_named(project: Project) -> None:
    project.write("mlx.yaml", "version: 1\nstacks:\n  plain: {}\n  other: {}\ndefault_stack: plain\n")
    project.commit()
    run = project.run("p.py", "--stack", "other")
    project.rerun(run)
    assert project.last()["stack"] == "other"
    project.rerun(run, "--stack", "plain")
    assert project.last()["stack"] == "plain"


def test_a_failed_run_fails_again_with_its_own_exit_status(project: Project) -> None:
    project.write("helper.py", "def factor(x): raise ValueError('no such factor')\n")
    project.commit()
    project.mlx("run", "p.py", code=6)
    run = project.last()["id"]
    project.write("helper.py", "def factor(x): return x\n")
    _, result, err = project.rerun(run, code=6)
    assert result["status"] == "failed" and "no such factor" in err and project.is_clean()


def test_a_rerun_carries_the_run_it_repeats_on_the_tracker(project: Project) -> None:
    project.write("mlx.yaml", "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: t}\n")  # fmt: skip
    project.write("p.py", """
        from mlxkit import pipeline, step

        @step(experiment_tracker=True)
        def fit() -> int:
            import mlflow
            mlflow.log_metric("loss", 0.5)
            return 1

        @pipeline
        def train() -> None:
            fit()
    """)  # fmt: skip
    run = project.run()
    project.write("p.py", "")
    _, result, err = project.rerun(run)
    assert result["same_keys"] and "warning" not in err
    with sqlite3.connect(project.folder / ".mlx" / "mlflow" / "mlflow.db") as db:
        tagged = db.execute("SELECT value FROM tags WHERE key = 'mlx.rerun_of'").fetchall()
    assert tagged == [(run,)]


def test_a_project_in_a_folder_of_a_repository_and_its_own_import_path(project: Project) -> None:
    project.commit()
    inner = project.folder / "team" / "train"
    for name in ("mlx.yaml", "p.py", "data.txt"):
        (inner / name).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / name).rename(inner / name)
    project.write("src/helper.py", "def factor(x): return x * 10\n")
    (project.folder / "helper.py").unlink()
    project.commit()
    installed = {"PYTHONPATH": str(project.folder / "src")}  # as an editable install has it
    project.mlx("run", "p.py", cwd=inner, **installed)
    run = json.loads(project.mlx("runs", "describe", "-o", "json", cwd=inner)[0])["id"]
    project.write("src/helper.py", "def factor(x): return -1\n")
    said, result, err = project.rerun(run, "--no-cache", cwd=inner, **installed)
    assert said == "RESULT 140" and result["same_keys"] and "imported from" not in err


def test_what_was_not_laid_out_is_named(project: Project) -> None:
    project.commit()
    run = project.run()
    project.write("sitecustomize.py", "import helper\n")  # before anything is laid out
    _, _, err = project.rerun(run, PYTHONPATH=str(project.folder), code=1)
    assert f"helper.py was imported from {project.folder.resolve()} as it is now" in err


def test_submodules_are_said_to_be_empty(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("a")
    git(other, "init", "-q")
    git(other, "add", ".")
    git(other, "commit", "-q", "-m", "x")
    project.commit()
    git(project.folder, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "inside")
    project.commit()
    said, _, err = project.rerun(project.run())
    assert said == "RESULT 140" and "submodules are not checked out" in err and project.is_clean()


def test_another_worktree_of_the_user_stays(project: Project, tmp_path: Path) -> None:
    project.commit()
    run = project.run()
    git(project.folder, "worktree", "add", "-q", str(tmp_path / "mine"))
    (tmp_path / "mine").rename(tmp_path / "unplugged")
    project.rerun(run)
    assert "mine" in git(project.folder, "worktree", "list")


def test_hooks_of_the_repository_do_not_run(project: Project) -> None:
    project.commit()
    hook = project.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {project.folder / 'hooked'}\n")
    hook.chmod(0o755)
    project.rerun(project.run())
    assert not (project.folder / "hooked").exists()


@pytest.mark.parametrize("with_git", [True, False])
def test_a_project_that_was_moved_is_rerun_where_it_is(project: Project, with_git: bool) -> None:
    project.write(".gitignore", "data.txt\n")
    if with_git:
        project.commit()
    run = project.run()
    moved = project.folder.with_name("moved")
    project.folder.rename(moved)
    project.folder.mkdir()
    project.folder = moved
    project.write("helper.py", "def factor(x): return 0\n")
    if not with_git:
        project.write("../work/data.txt", "7\n")
    said, result, _ = project.rerun(run, "--no-cache")
    assert said == "RESULT 140" and result["same_keys"] and project.is_clean()


def test_another_program_is_not_told_again(project: Project) -> None:
    project.mlx("exec", "--", sys.executable, "-c", "print('x')")
    assert "was not started from a file" in project.rerun("latest", code=2)[2]


def test_a_step_that_is_left_to_chance_is_told_from_one_that_is_the_same(project: Project) -> None:
    project.write("p.py", """
        import time
        from mlxkit import pipeline, step

        @step
        def sure() -> int:
            return 1

        @step
        def chance(x: int) -> int:
            return x + time.time_ns()

        @pipeline
        def first() -> None:
            chance(sure())

        @pipeline
        def second() -> None:
            sure()

        first()
        second()
        first()
    """)  # fmt: skip
    project.run()
    run = json.loads(project.mlx("runs", "list", "-o", "json")[0])[2]["id"]
    out, err = project.mlx("runs", "rerun", run, "--no-cache", code=1)
    assert f"same cache keys as run {run}: 2 of 2 steps" in err
    assert [line.split("\t")[:4] for line in out.splitlines()] == [["chance", "completed", "yes", "no"]]
    listed = json.loads(project.mlx("runs", "list", "-o", "json")[0])
    assert [item["metadata"].get("rerun_of") for item in listed] == [None, None, run, None, None, None]
