"""A graph as a tree, for Mermaid and for Graphviz."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from mlxkit.runs.graph import RunGraph
from mlxkit.runs.graph_text import ASCII, UNICODE, dot, mermaid, seconds, size, tree

from .graphs import HOSTILE, chain, diamond, fan, graph, step


def drawn(of: RunGraph, **options: object) -> list[str]:
    return [f"{line.indent}{line.name} {line.note}".rstrip() for line in tree(of, **options)]  # type: ignore[arg-type]


def test_a_step_with_several_parents_is_drawn_once_and_referred_to_afterwards() -> None:
    assert drawn(diamond()) == [
        "load",
        "├─ left",
        "│  └─ join ← left, right",
        "└─ right",
        "   └─ join ↑ above",
    ]


def test_plain_strokes_are_ascii() -> None:
    text = "\n".join(drawn(diamond(), strokes=ASCII))
    assert text.isascii()
    assert "`- join ^ above" in text


def test_every_step_and_every_edge_is_in_the_tree() -> None:
    of = graph(
        step("a"),
        step("b"),
        step("c", ["a", "b"]),
        step("d", ["a"]),
        step("e", ["d", "c", "b"]),
        step("alone"),
    )
    lines = list(tree(of))
    assert sorted(line.name for line in lines if line.status) == ["a", "alone", "b", "c", "d", "e"]
    assert len(lines) == 3 + len(of.edges)  # three beginnings, and one line for each way to a step


def test_a_reduce_over_many_is_short() -> None:
    lines = drawn(fan(1000))
    assert len(lines) == 9
    assert "├─ score_1" in lines
    assert lines[2] == "│  └─ reduce ← score_0, score_1, score_2, score_3 ... score_999 (997 more)"


def test_a_deep_chain_goes_on_in_one_column() -> None:
    of = graph(
        *(step(name, [before] if before else []) for before, name in zip(["", *WORDS], WORDS, strict=False))
    )
    lines = list(tree(of, UNICODE))
    assert len(lines) == len(WORDS)
    assert max(len(line.indent) for line in lines) <= 36
    assert lines[-1].indent.endswith("↓ ")


WORDS = [f"{chr(97 + i % 26)}{chr(97 + i // 26)}x" for i in range(100)]


def test_artifacts_hang_below_their_step() -> None:
    assert "  output: int, 3 B" in "\n".join(drawn(diamond(), artifacts=True))


def test_mermaid_has_a_node_and_a_class_for_each_step() -> None:
    lines = list(mermaid(diamond()))
    assert lines[0] == "flowchart TB"
    assert '  s0["load<br/>completed, 1.25 s"]:::completed' in lines
    assert "  s2 --> s3" in lines
    assert sum(line.startswith("  classDef") for line in lines) == 1


def test_mermaid_labels_cannot_end_early_or_be_markup() -> None:
    lines = list(mermaid(graph(step("load"), step(HOSTILE, ["load"])), artifacts=True))
    [node] = [line for line in lines if line.startswith("  s1[")]
    inside = node.removeprefix('  s1["').removesuffix('"]:::completed').replace("<br/>", "")
    assert node.count('"') == 2
    assert not {*'<>"`\\\x1b\u202e'} & {*inside}


@pytest.mark.parametrize("of", [diamond(), fan(40), chain(30), graph(), graph(step(HOSTILE), name=HOSTILE)])
def test_graphviz_reads_what_is_written_for_it(of: RunGraph) -> None:
    program = shutil.which("dot")
    if program is None:
        pytest.skip("graphviz is not installed: apt-get install graphviz")
    text = "\n".join(dot(of, artifacts=True))
    done = subprocess.run([program, "-Tjson0"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout, strict=False)
    from mlxkit.runs.graph_fold import drawing

    picture = drawing(of)
    assert len(told.get("objects", [])) == len(picture.nodes)
    assert len(told.get("edges", [])) == len(list(picture.edges))


def test_graphviz_quotes_are_closed() -> None:
    for line in dot(graph(step(HOSTILE))):
        assert line.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 0
        assert line.isprintable()


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.00 s"), (12.34, "12.3 s"), (61, "1 min 01 s"), (3725, "1 h 02 min")]
)
def test_times_are_short(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(("count", "text"), [(7, "7 B"), (1500, "1.5 kB"), (400_000_000, "400 MB")])
def test_sizes_are_short(count: int, text: str) -> None:
    assert size(count) == text
