"""Changes to YAML text: exactly what was meant, and every other byte as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxkit.config import splice
from mlxkit.config.yamltext import dump_yaml, load_yaml

TEXT = """\
# our stacks
version: 1   # the format

# where runs go
experiment_trackers:
    local: {flavor: mlflow}   # the laptop
    # the team's server
    team:
        flavor: mlflow
        tracking_uri: "https://mlflow.example.com"  # behind the proxy
        tags: {owner: 'vision',   cost: "7"}

# what belongs together
stacks:
    local: {experiment_tracker: local}


# the end
"""


def put(text: str, *path: str, value: Any) -> str:
    return splice.put(text, path, value)


def test_a_new_entry_goes_behind_the_last_one_and_before_the_comment_of_the_next_section() -> None:
    after = put(TEXT, "experiment_trackers", "new", value={"flavor": "mlflow", "nested": True})
    new = "    new:\n        flavor: mlflow\n        nested: true\n"
    head, _, tail = TEXT.partition('cost: "7"}\n')
    assert after == head + 'cost: "7"}\n' + new + tail


def test_a_new_entry_among_short_ones_is_short_too() -> None:
    after = put(TEXT, "stacks", "team", value={"experiment_tracker": "team"})
    line = "    local: {experiment_tracker: local}\n"
    assert after == TEXT.replace(line, line + "    team: {experiment_tracker: team}\n")


def test_a_changed_value_keeps_the_comment_behind_it() -> None:
    after = put(TEXT, "experiment_trackers", "team", "tracking_uri", value="<<s.uri>>")
    assert after == TEXT.replace('"https://mlflow.example.com"', "<<s.uri>>")


def test_an_attribute_is_added_inside_braces() -> None:
    after = put(TEXT, "experiment_trackers", "local", "nested", value=True)
    assert after == TEXT.replace("local: {flavor: mlflow}", "local: {flavor: mlflow, nested: true}")


def test_removing_an_entry_keeps_every_comment() -> None:
    after = splice.remove(TEXT, ("experiment_trackers", "team"))
    start = TEXT.index("    team:\n")
    end = TEXT.index("\n# what belongs")
    assert after == TEXT[:start] + TEXT[end:]


@pytest.mark.parametrize(
    ("key", "rest"), [("a", "{b: 2, c: 3}"), ("b", "{a: 1, c: 3}"), ("c", "{a: 1, b: 2}")]
)
def test_removing_from_braces_takes_one_comma_along(key: str, rest: str) -> None:
    assert splice.remove("x: {a: 1, b: 2, c: 3}  # note\n", ("x", key)) == f"x: {rest}  # note\n"


def test_renaming_changes_the_key_only() -> None:
    assert splice.rename(TEXT, ("experiment_trackers", "team"), "crew") == TEXT.replace(
        "    team:\n", "    crew:\n"
    )


@pytest.mark.parametrize(
    "empty", ["stacks:\n", "stacks: {}\n", "stacks: ~  # none yet\n", "stacks:   # none yet\n"]
)
def test_an_empty_section_is_filled_in_its_place(empty: str) -> None:
    after = put(f"{empty}# the end\n", "stacks", "a", value={"orchestrator": "local"})
    assert load_yaml(after, what="t") == {"stacks": {"a": {"orchestrator": "local"}}}
    assert after.endswith("  a:\n    orchestrator: local\n# the end\n")
    assert ("# none yet" in after) == ("# none yet" in empty)


@pytest.mark.parametrize("text", ["", "# only words\n", "# no newline at the end", "---\n"])
def test_a_file_without_content_is_appended_to(text: str) -> None:
    after = put(text, "stacks", "a", value={})
    assert after.startswith(text)
    assert load_yaml(after, what="t") == {"stacks": {"a": {}}}


def test_line_ends_of_windows_stay() -> None:
    text = "stacks:\r\n  a:\r\n    orchestrator: local\r\nversion: 1\r\n"
    after = put(text, "stacks", "b", value={"orchestrator": "local"})
    assert after.count("\n") == after.count("\r\n") == 6
    assert splice.remove(after, ("stacks", "b")) == text


def test_a_block_of_text_is_replaced_to_its_last_line() -> None:
    text = "x:\n  note: |\n    one\n    two\n\n  # why\n  other: 1\n"
    assert put(text, "x", "note", value="short") == "x:\n  note: short\n\n  # why\n  other: 1\n"


def test_a_map_over_several_lines_is_replaced_by_one() -> None:
    text = "x:\n  tags:\n    a: b\n    c: d\n  # why\n  other: 1\n"
    assert put(text, "x", "tags", value={"e": "f"}) == "x:\n  tags: {e: f}\n  # why\n  other: 1\n"


def test_text_that_yaml_would_take_for_something_else_is_quoted() -> None:
    values = {
        "a": "yes",
        "b": "1",
        "c": "null",
        "d": "2024-01-01",
        "e": "a: b",
        "f": "x # y",
        "g": "",
        "h": "one\ntwo",
    }
    for style in ("x: {}\n", "x:\n", "x: {z: 1}\n", "x:\n  z: 1\n"):
        text = style
        for key, value in values.items():
            text = put(text, "x", key, value=value)
        read = load_yaml(text, what="t")["x"]
        assert {key: read[key] for key in values} == values


def test_a_list_in_the_way_is_refused() -> None:
    with pytest.raises(splice.CannotSpliceError):
        put("stacks: [a, b]\n", "stacks", "c", value={})


NAMES = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,6}", fullmatch=True)
VALUES = st.one_of(
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12),
    st.sampled_from(
        ["<<s.k>>", "https://<<a.b>>/x", "yes", "12", "a, b", "{x", "é😀", "#", "- x", "line\nline"]
    ),
    st.booleans(),
    st.integers(-5, 5000),
)
ENTRIES = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    sections=st.dictionaries(NAMES, st.dictionaries(NAMES, ENTRIES, max_size=3), min_size=1, max_size=3),
    flow=st.booleans(),
    steps=st.lists(
        st.tuples(st.sampled_from(["put", "field", "remove", "rename"]), st.randoms(), NAMES, ENTRIES),
        max_size=6,
    ),
)
def test_any_series_of_changes_means_what_was_meant_and_loses_no_comment(
    sections: dict[str, Any], flow: bool, steps: list[Any]
) -> None:
    text = "# first\n" + (dump_yaml(sections) if not flow else _short(sections)) + "# last\n"
    data = {section: entries or {} for section, entries in load_yaml(text, what="t").items()}
    for verb, random, name, entry in steps:
        section = random.choice(sorted(data))
        known = sorted(data[section])
        if verb == "put" and name not in known:
            text = put(text, section, name, value=entry)
            data[section][name] = entry
        elif known:
            chosen = random.choice(known)
            if verb == "field":
                key, value = next(iter(entry.items()))
                text = put(text, section, chosen, key, value=value)
                data[section][chosen][key] = value
            elif verb == "remove":
                text = splice.remove(text, (section, chosen))
                del data[section][chosen]
            elif verb == "rename" and name not in known:
                text = splice.rename(text, (section, chosen), name)
                data[section][name] = data[section].pop(chosen)
        read = load_yaml(text, what="t")
        assert {key: value or {} for key, value in read.items()} == data
        assert text.startswith("# first\n")
        assert text.endswith("# last\n")


def _short(sections: dict[str, Any]) -> str:
    from mlxkit.config.yamltext import dump_flow

    lines = []
    for section, entries in sections.items():
        lines.append(f"{dump_flow(section)}:  # about\n")
        lines += [
            f"   {dump_flow(name)}: {dump_flow(entry)}  # of {section}\n\n" for name, entry in entries.items()
        ]
    return "".join(lines)


@pytest.mark.parametrize("text", ["# only words\r\n", "# only words\r\n\r\n---\r\n"])
def test_a_file_without_data_keeps_its_line_ends(text: str) -> None:
    assert put(text, "stacks", "a", value={"k": "v"}) == f"{text}stacks:\r\n  a:\r\n    k: v\r\n"
