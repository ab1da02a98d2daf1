"""A run as nodes and edges."""

from __future__ import annotations

import json

from mlxkit.runs.graph_fold import drawing
from mlxkit.secrets import masking

from .graphs import chain, diamond, fan, graph, step


def test_edges_say_which_output_went_into_which_argument() -> None:
    edges = {(edge.source, edge.target): edge.artifacts for edge in diamond().edges}
    assert edges == {
        ("load", "left"): ("output -> arg0",),
        ("load", "right"): ("output -> arg0",),
        ("left", "join"): ("output -> arg0",),
        ("right", "join"): ("output -> arg1",),
    }


def test_several_outputs_of_one_step_are_one_edge() -> None:
    items = [
        {"from": f"split.{name}", "step": "split", "digest": "d" * 64, "type": "int", "summary": {}}
        for name in ("train", "test")
    ]
    found = graph(step("split"), step("fit", inputs={"sets": items, "again": {"a": items[0]}}))
    [edge] = found.edges
    assert edge.artifacts == ("train -> sets[0]", "test -> sets[1]", "train -> again.a")


def test_a_step_that_only_waited_has_an_edge_without_an_artifact() -> None:
    waited = {"after": [{"from": "load", "step": "load"}]}
    [edge] = graph(step("load"), step("notify", inputs=waited)).edges
    assert (edge.source, edge.target, edge.artifacts) == ("load", "notify", ())


def test_values_of_the_pipeline_itself_and_steps_that_are_not_there_make_no_edge() -> None:
    inputs = {
        "own": {"from": ".value", "step": "", "digest": "d" * 64, "type": "int", "summary": {}},
        "gone": {"from": "other.output", "step": "other", "digest": "d" * 64, "type": "int", "summary": {}},
    }
    assert graph(step("fit", inputs=inputs)).edges == ()


def test_json_has_the_run_at_the_top_and_stable_keys() -> None:
    told = diamond().to_dict()
    assert [*told] == ["schema_version", "id", "name", "pipeline", "stack", "status", "started", "ended", "duration",
                       "error", "steps", "edges"]  # fmt: skip
    assert {"name", "status", "duration", "reason", "artifacts", "url", "error", "parameters"} <= {
        *told["steps"][0]
    }
    assert told["duration"] == 3.5
    json.dumps(told, allow_nan=False)


def test_secrets_are_masked_everywhere() -> None:
    masking.register("hunter2hunter2")
    found = graph(
        step(
            "fit", parameters={"key": "hunter2hunter2", "deep": {"hunter2hunter2": ["hunter2hunter2"]}},
            error="bad hunter2hunter2", reason="hunter2hunter2", metadata={"experiment_tracker_url": "http://u:hunter2hunter2@h"},
        ),
        error="hunter2hunter2",
    )  # fmt: skip
    assert "hunter2" not in json.dumps(found.to_dict())


def test_a_small_graph_is_drawn_whole() -> None:
    picture = drawing(diamond())
    assert [node.label for node in picture.nodes] == ["load", "left", "right", "join"]
    assert picture.parents == ((), (0,), (0,), (1, 2))
    assert picture.children == ((1, 2), (3,), (3,), ())


def test_a_wide_fan_is_folded_and_counted() -> None:
    picture = drawing(fan(1000))
    assert [node.label for node in picture.nodes] == [
        "load", "score_0", "score_1", "score_2", "score_3 ... score_999 (997 more)", "reduce",
    ]  # fmt: skip
    assert picture.parents[5] == (1, 2, 3, 4)
    assert len(drawing(fan(1000), fold=False).nodes) == 1002


def test_lanes_of_several_steps_are_folded_together() -> None:
    lanes = [item for i in range(50) for item in (step(f"a_{i}", ["load"]), step(f"b_{i}", [f"a_{i}"]))]
    picture = drawing(graph(step("load"), *lanes, step("end", [f"b_{i}" for i in range(50)])))
    assert sorted(node.label for node in picture.nodes) == [
        "a_0", "a_1", "a_2", "a_3 ... a_49 (47 more)", "b_0", "b_1", "b_2", "b_3 ... b_49 (47 more)", "end", "load",
    ]  # fmt: skip


def test_what_became_of_a_step_keeps_it_out_of_a_fold() -> None:
    middle = [step(f"score_{i}", ["load"], status="failed" if i == 20 else "completed") for i in range(40)]
    labels = [node.label for node in drawing(graph(step("load"), *middle)).nodes]
    assert "score_20" in labels
    assert "score_3 ... score_39 (36 more)" in labels


def test_steps_of_other_names_are_not_folded() -> None:
    names = [f"{chr(97 + i)}{chr(98 + i)}" for i in range(20)]
    assert len(drawing(graph(step("load"), *(step(name, ["load"]) for name in names))).nodes) == 21


def test_the_middle_of_a_long_chain_is_folded() -> None:
    picture = drawing(chain(1000))
    assert [node.label for node in picture.nodes] == ["s0", "s1", "s2", "s3 ... s998 (996 more)", "s999"]
    assert picture.parents == ((), (0,), (1,), (2,), (3,))
    assert len(drawing(chain(20)).nodes) == 20
