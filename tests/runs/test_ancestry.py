"""The way back from a step, as a document."""

from __future__ import annotations

import json
from typing import Any

from mlxkit.runs.ancestry import LONGEST, ancestry, document, input_digests, inputs_document
from mlxkit.runs.records import OutputRecord, StepRecord


def made(name: str, inputs: dict[str, Any] | None = None, **more: Any) -> StepRecord:
    output = OutputRecord("output", digest=name[0] * 64, materializer="json", type="list", size=1)
    return StepRecord(
        id=f"id-{name}", run_id="run", name=name, position=0, status="completed", started=0, ended=1,
        inputs=inputs or {}, outputs=(output,), **more,
    )  # fmt: skip


def of(step: str) -> dict[str, Any]:
    return {"from": f"{step}.output", "step": step, "digest": step[0] * 64, "type": "list", "summary": {}}


DIAMOND = [
    made("load"),
    made("left", {"rows": of("load")}),
    made("right", {"rows": of("load")}),
    made("apart"),
    made("join", {"both": [of("left"), of("right")], "named": {"a": of("left")}}),
]


def test_every_ancestor_comes_once_and_nothing_else() -> None:
    assert [step.name for step in ancestry(DIAMOND, "join")] == ["join", "left", "right", "load"]
    assert ancestry(DIAMOND, "absent") == []


def test_inputs_inside_lists_and_mappings_are_named_by_their_place() -> None:
    assert input_digests(DIAMOND[-1]) == {"both[0]": "l" * 64, "both[1]": "r" * 64, "named.a": "l" * 64}


def test_a_value_of_the_body_has_no_step_to_go_on_from() -> None:
    step = made("train", {"rows": {**of("x"), "from": "the pipeline body", "step": ""}})
    assert [item.name for item in ancestry([step], "train")] == ["train"]
    assert json.loads(document([step], "train"))["steps"][0]["inputs"]["rows"]["from"] == "the pipeline body"


def test_a_user_parameter_that_looks_like_an_input_is_a_parameter() -> None:
    step = made("train", parameters={"path": {"from": "a.b", "digest": "x"}})
    assert input_digests(step) == {}


def test_a_long_way_is_cut_at_its_far_end_and_says_so() -> None:
    chain = [made("s0")] + [made(f"s{index}", {"rows": of(f"s{index - 1}")}) for index in range(1, 200)]
    text = document(chain, "s199")
    assert len(text) <= LONGEST
    found = json.loads(text)
    assert found["steps"][0]["step"] == "s199"
    assert found["left_out"] + len(found["steps"]) == 200
    whole = json.loads(document(chain, "s199", longest=None))
    assert len(whole["steps"]) == 200 and len(whole["steps"][0]["inputs"]["rows"]["digest"]) == 64


def test_long_parameters_are_shortened() -> None:
    text = document([made("train", parameters={"text": "x" * 10_000, "rate": 0.1})], "train")
    assert len(text) < 500 and json.loads(text)["steps"][0]["parameters"]["rate"] == 0.1


def wide(count: int) -> StepRecord:
    return made("train", {"rows": [of(f"{number % 10}") for number in range(count)]})


def test_inputs_are_written_whole_where_there_is_room() -> None:
    assert json.loads(inputs_document(DIAMOND[-1])) == input_digests(DIAMOND[-1])


def test_more_inputs_than_there_is_room_for_are_counted() -> None:
    text = inputs_document(wide(1300))
    told = json.loads(text)
    counted = told.pop("...")
    assert LONGEST - 40 < len(text) <= LONGEST
    assert counted == f"{1300 - len(told)} left out" and told["rows[0]"] == "0" * 16
    for count in range(60, 130):  # around the numbers at which it gets too long
        assert len(inputs_document(wide(count))) <= LONGEST
    assert len(json.loads(inputs_document(wide(100)))) == 100


def test_a_step_with_too_many_inputs_is_still_named() -> None:
    loads = [made(f"{number}x") for number in range(1300)]
    train = made("train", {"rows": [{**of("a"), "step": step.name} for step in loads]})
    told = json.loads(document([*loads, train], "train"))
    assert [step["step"] for step in told["steps"]] == ["train"] and told["left_out"] == 1300
    assert 10 < len(told["steps"][0]["inputs"]) < 1300
