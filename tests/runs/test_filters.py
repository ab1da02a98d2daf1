from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlxkit import Client
from mlxkit.errors import NotFoundError, UsageError
from mlxkit.runs.history import History
from mlxkit.runs.moments import parse_age, parse_moment
from mlxkit.runs.records import RunRecord
from mlxkit.runs.search import RunFilter, search
from mlxkit.runs.tagging import add_tags, remove_tags
from tests.conftest import Result

NOW = time.time()


def _add(
    history: History, id: str, measured: tuple[dict[str, float], dict[str, str]] = ({}, {}), **fields: object
) -> None:
    blank = RunRecord(
        id=id,
        name=f"name-{id}",
        pipeline="train",
        stack="local",
        status="completed",
        started=NOW,
        ended=NOW + 10,
    )
    run = replace(blank, **fields)  # type: ignore[arg-type]
    history.begin_run(run, {}, "e")
    history.connection.execute("UPDATE runs SET ended = ? WHERE id = ?", (run.ended, id))
    history.connection.execute("UPDATE runs SET status = 'running' WHERE id = ?", (id,))
    ended = run.ended
    history.finish_run(id, run.status, measured=measured, error=run.error)
    history.connection.execute("UPDATE runs SET ended = ? WHERE id = ?", (ended, id))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    made = History(tmp_path_factory.mktemp("history"))
    day = 86_400
    _add(made, "a", ({"rmse": 0.5, "val.loss/top 1": 1.0}, {"lr": "0.010", "model": "ridge"}), started=NOW - 3 * day,
         ended=NOW - 3 * day + 100, parameters={"lr": 0.01, "fast": True, "opt": "adam"}, tags=("keep", "team=vision"))  # fmt: skip
    _add(made, "b", ({"rmse": 0.9}, {"lr": "0.5", "model": "lasso or so"}), started=NOW - 2 * day, ended=NOW - 2 * day + 5,
         parameters={"lr": 0.5, "fast": False, "depth": 10}, tags=("team=speech",), stack="cloud")  # fmt: skip
    _add(made, "c", ({"rmse": float("nan"), "other": -3.0}, {"lr": "auto"}), started=NOW - day, ended=NOW - day + 50,
         status="failed", error="no memory left", parameters={"lr": "auto", "depth": 9})  # fmt: skip
    _add(made, "d", pipeline="score", code={"commit": "c0ffee12"}, parameters={"lr": 7})
    return made


def found(history: History, *where: str, **rest: object) -> str:
    wanted = RunFilter(where=where, **rest)  # type: ignore[arg-type]
    return "".join(item.run.id for item in search(history, wanted).runs)


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("metrics.rmse < 0.8", "a"),
        ("metrics.rmse >= 0.5", "ba"),
        ("metrics.rmse == 0.9", "b"),
        ("metrics.rmse != 0.9", "a"),  # one that is no number, or that is missing, fits nothing
        ("metrics.rmse > -inf", "ba"),
        ("metrics.rmse<0.8", "a"),
        ('metrics."val.loss/top 1" = 1', "a"),
        ("metrics.'val.loss/top 1' = 1", "a"),
        ("metrics.other < 0 and status = failed", "c"),
        ("metrics.rmse < 1 AND params.lr = 0.01", "a"),
        ("params.lr = 0.01", "a"),
        ("params.lr > 0.2", "b"),
        ("params.lr != 0.5", "ca"),
        ("params.lr = auto", "c"),
        ('params.model = "lasso or so"', "b"),
        ("params.model ~ LASSO", "b"),
        ("params.model like rid%", "a"),
        ("parameters.lr < 1", "ba"),
        ("parameters.lr = auto", "c"),
        ("parameters.lr != 0.5", "dca"),
        ("parameters.fast = true", "a"),
        ("parameters.fast = false", "b"),
        ("parameters.fast = TRUE", "a"),
        ("parameters.fast != true", "b"),
        ("parameters.fast ~ als", "b"),
        ("parameters.depth > 9.5", "b"),
        ("status != completed", "c"),
        ("pipeline = score", "d"),
        ("stack = cloud", "b"),
        ("duration > 60", "a"),
        ("duration < 10s", "b"),
        ("duration > 1m", "a"),
        ("error ~ memory", "c"),
        ("commit like c0ffee%", "d"),
        ("tags = keep", "a"),
        ("tags = team", "ba"),
        ("tags != team", "dc"),
        ("tags.team = speech", "b"),
        ("tags ~ VIS", "a"),
        ("started > 36h", "dc"),
        ("name = 'name-a'", "a"),
        ('name = "x\' OR 1=1 --"', ""),
        ("params.lr = '1; DROP TABLE runs'", ""),
    ],
)
def test_a_condition_chooses_runs(history: History, where: str, ids: str) -> None:
    assert found(history, where) == ids


def test_several_conditions_and_the_other_filters_must_all_hold(history: History) -> None:
    assert found(history, "metrics.rmse < 1", "params.lr < 0.1") == "a"
    assert found(history, "parameters.lr < 100", stack="local", pipeline="train") == "a"
    assert found(history, tags=["team"], status="completed") == "ba"
    assert found(history, tags=["team=vision", "keep"]) == "a"
    assert found(history, since=NOW - 1.5 * 86_400) == "dc"
    assert found(history, until=NOW - 1.5 * 86_400) == "ba"


@pytest.mark.parametrize(
    ("sort", "is_reversed", "ids"),
    [
        (None, False, "dcba"),
        (None, True, "abcd"),
        ("started", False, "abcd"),
        ("-started", False, "dcba"),
        ("-started", True, "abcd"),
        ("metrics.rmse", False, "abdc"),  # runs without a value come last, whichever way
        ("-metrics.rmse", False, "badc"),
        ("metrics.rmse", True, "badc"),
        ("parameters.depth", False, "cbda"),
        ("duration", False, "bdca"),
        ("-pipeline", False, "cbad"),
    ],
)
def test_runs_are_sorted(history: History, sort: str | None, is_reversed: bool, ids: str) -> None:
    assert found(history, sort=sort, is_reversed=is_reversed) == ids


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("metrics.rmsee < 1", "no run logged a metric 'rmsee' .did you mean 'rmse'"),
        ("params.modell = x", "no run logged a param 'modell' .did you mean 'model'"),
        ("parameters.dept > 1", "no run has a parameter 'dept' .did you mean 'depth'"),
        ("parameters.'a\"b' = 1", "no run has a parameter"),
        ("parameters.a\0b = 1", "no run has a parameter"),
    ],
)
def test_a_name_that_no_run_has_is_named_with_the_nearest(history: History, where: str, message: str) -> None:
    with pytest.raises(NotFoundError, match=message):
        found(history, where)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("metric.rmse", "expected a field, an operator and a value"),
        ("metrics.rmse <", "expected a field, an operator and a value"),
        ("metrics.rmse < < 1", "expected a value"),
        ("metrics.rmse < x", "is a number"),
        ("metrics.rmse ~ 1", "not with ~"),
        ("metrics.rmse < 1 or status = failed", "expected `and`"),
        ("metrics.rmse < 1 and", "expected `and` and a condition"),
        ("metrics < 1", "which of the metrics. write metrics.NAME"),
        ("stauts = failed", "no field 'stauts' .did you mean 'status'"),
        ("status = faild", "no status 'faild' .did you mean 'failed'"),
        ("started > soon", "is no time"),
        ("duration > soon", "is no age"),
        ("name = 'open", "cannot read"),
        ("", "an empty condition"),
    ],
)
def test_a_condition_that_cannot_be_read_says_where(history: History, where: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        found(history, where)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Runs with parameters of every type, under names of every script."""
    made = History(tmp_path_factory.mktemp("odd"))
    values = {"a": True, "b": "true", "c": "True", "d": "yes", "e": False, "f": None, "g": 0.5}
    for position, (name, value) in enumerate(values.items()):
        _add(made, name, started=NOW - position, parameters={"größe": value, 'a"b': position, "名": "値"})
    _add(made, "h", started=NOW - 99, parameters={"other": "\ud800"})
    for name, number in (("i", 9007199254740992), ("j", 9007199254740993)):
        _add(made, name, ({}, {"big": str(number)}), started=NOW - 100, parameters={"big": number})
    old = {"größe": "escaped"}
    made.connection.execute("UPDATE runs SET parameters = ? WHERE id = 'g'", (json.dumps(old),))
    return made


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("parameters.größe = escaped", "g"),
        ("parameters.größe = true", "abc"),
        ("parameters.größe != true", "defg"),  # all others that have it
        ("parameters.größe != false", "abcdfg"),
        ("parameters.größe != 0.5", "abcdefg"),
        ("parameters.größe = 'True'", "c"),
        ("parameters.größe != yes", "abcefg"),
        ("parameters.'a\"b' = 1", "b"),
        ("parameters.名 = 値", "abcdef"),
        ("parameters.big = 9007199254740993", "j"),
        ("parameters.big > 9007199254740992", "j"),
        ("params.big = 9007199254740992", "i"),
        ("params.big != 9007199254740992", "j"),
        ("params.big < 99999999999999999999999", "ij"),
        ("parameters.big > -99999999999999999999999", "ij"),
    ],
)
def test_parameters_of_any_name_and_type_are_asked_for(odd: History, where: str, ids: str) -> None:
    assert "".join(sorted(found(odd, where))) == ids


def test_runs_are_sorted_by_a_parameter_of_any_name(odd: History) -> None:
    assert found(odd, sort='-parameters.a"b').startswith("fedcba")


def test_a_damaged_record_is_named(tmp_path: Path, mlx: Callable[..., Result]) -> None:
    history = Client().history
    for name in ("good", "torn"):
        _add(history, name, parameters={"n": 1})
    history.connection.execute("UPDATE runs SET parameters = '{\"n\": ' WHERE id = 'torn'")
    for words in ([], ["--where", "parameters.n = 1"], ["--sort", "parameters.n"]):
        result = mlx("runs", "list", *words)
        assert result.code == 1 and "history cannot be read" in result.stderr and "torn" in result.stderr


def test_a_limit_has_a_limit(mlx: Callable[..., Result]) -> None:
    result = mlx("runs", "list", "--limit", "99999999999999999999")
    assert result.code == 2 and "Traceback" not in result.stderr


def test_what_is_meant_by_a_wrong_word(mlx: Callable[..., Result]) -> None:
    _add(Client().history, "r1", pipeline="diabetes")
    assert "did you mean 'latest'" in mlx("runs", "describe", "lates").stderr
    told = mlx("runs", "describe", "diabets").stderr
    assert "did you mean 'diabetes'" in told and "mlx runs list --pipeline diabetes" in told
    assert "mlx runs list --status completed" in mlx("runs", "list", "--status", "complted").stderr
    told = mlx("runs", "list", "--sort", "metrics").stderr
    assert "metrics.NAME" in told and "did you mean" not in told


def test_a_history_without_runs_answers_any_question(tmp_path: Path) -> None:
    assert found(History(tmp_path), "metrics.rmse < 1") == ""


def test_ages_and_moments() -> None:
    assert [parse_age(text) for text in ("90s", "30m", "2h", "7d", "3w", "1 day", "2 hours")] == [
        90, 1800, 7200, 604_800, 1_814_400, 86_400, 7200,
    ]  # fmt: skip
    assert parse_moment("2026-03-01T10:00:00Z") == 1772359200
    assert parse_moment("2026-03-01T12:00+02:00") == 1772359200
    start = datetime(2026, 3, 1)
    assert parse_moment("2026-03-01") == start.timestamp()
    assert parse_moment("2026-03-01", is_end=True) == (start + timedelta(days=1)).timestamp()
    assert abs(parse_moment("2h") - (time.time() - 7200)) < 60
    for wrong in ("", "2x", "-1d", "2026-13-01"):
        with pytest.raises(UsageError, match=r"is no (time|age)"):
            parse_moment(wrong)


def test_tags_are_added_replaced_and_removed(tmp_path: Path) -> None:
    history = History(tmp_path)
    _add(history, "a")
    assert add_tags(history, "a", ["keep", "team=a", "keep"]) == ["keep", "team=a"]
    assert add_tags(history, "a", ["team=b", "teams=c"]) == ["keep", "team=b", "teams=c"]
    with pytest.raises(NotFoundError, match=r"no tag .kep. .did you mean .keep."):
        remove_tags(history, "a", ["team", "kep"])
    assert remove_tags(history, "a", ["team"]) == ["keep", "teams=c"]
    for wrong in ("", " ", "=x", "a\nb", "x" * 201):
        with pytest.raises(UsageError, match="is no tag"):
            add_tags(history, "a", [wrong])


def _plan(history: History, wanted: RunFilter) -> Sequence[str]:
    told: list[str] = []
    history.connection.set_trace_callback(told.append)
    search(history, wanted)
    history.connection.set_trace_callback(None)
    query = next(text for text in told if "ORDER BY" in text and "FROM runs" in text)
    return [row["detail"] for row in history.connection.execute(f"EXPLAIN QUERY PLAN {query}")]


def test_what_is_asked_often_is_answered_by_an_index(history: History) -> None:
    for wanted in (
        RunFilter(),
        RunFilter(pipeline="train"),
        RunFilter(where=["metrics.rmse < 0.8"]),
        RunFilter(tags=["keep"]),
    ):
        plan = _plan(history, wanted)
        assert not [line for line in plan if "TEMP B-TREE" in line], plan
        assert any("runs_by_" in line for line in plan), plan
        assert not [line for line in plan if line.startswith(("SCAN m", "SCAN t"))], plan
