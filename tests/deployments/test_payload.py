"""What is sent: MLflow's protocol as it is, everything else put into it, and never read whole before it must be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlxkit.deployments.payload import CSV, JSON, Payload, from_bytes, from_file, is_pipe
from mlxkit.deployments.signature import Column, Signature
from mlxkit.errors import MlxError, NotFoundError, UsageError

TABLE = Signature((Column("a", "double"), Column("b", "double")))
UNKNOWN = Signature()


def sent(payload: Payload) -> bytes:
    body = b"".join(payload.chunks())
    assert len(body) == payload.size
    return body


def json_sent(text: str, signature: Signature = UNKNOWN) -> Any:
    return json.loads(sent(from_bytes(text.encode(), JSON, signature, what="--data")))


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs": [1]}',
        '{"instances": [[1]]}',
        '{"dataframe_split": {"columns": ["a"], "data": [[1]]}}',
        '{"dataframe_records": [{"a": 1}]}',
        '{"params": {"k": 1}, "inputs": [1]}',
        '{"messages": [{"role": "user", "content": "hi"}]}',
    ],
)
def test_the_protocol_goes_as_it_is(text: str) -> None:
    assert sent(from_bytes(text.encode(), JSON, UNKNOWN, what="--data")) == text.encode()


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('[{"a": 1}]', {"dataframe_records": [{"a": 1}]}),
        (' [ {"a": 1}, {"a": 2}] ', {"dataframe_records": [{"a": 1}, {"a": 2}]}),
        ('{"a": 1}', {"dataframe_records": [{"a": 1}]}),
        ("{}", {"dataframe_records": [{}]}),
        ("[[1, 2]]", {"inputs": [[1, 2]]}),
        ("[1, 2]", {"inputs": [1, 2]}),
        ('["x"]', {"inputs": ["x"]}),
        ("[]", {"inputs": []}),
        ("5", {"inputs": [5]}),
        ('"x"', {"inputs": ["x"]}),
        ('{"a": 1, "params": 2}', {"dataframe_records": [{"a": 1, "params": 2}]}),
    ],
)
def test_rows_and_records_are_put_into_the_protocol(text: str, body: Any) -> None:
    assert json_sent(text) == body


def test_lists_of_a_table_with_named_columns_get_their_names() -> None:
    assert json_sent("[[1, 2]]", TABLE) == {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}


def test_a_column_may_be_called_like_the_form_of_a_chat() -> None:
    signature = Signature((Column("prompt", "string"),))
    assert json_sent('{"prompt": "x"}', signature) == {"dataframe_records": [{"prompt": "x"}]}


def test_what_is_no_json_is_shown_where_it_breaks() -> None:
    with pytest.raises(UsageError, match="--data:2:3 is not JSON"):
        from_bytes(b'{"a": 1,\n  x}', JSON, UNKNOWN, what="--data")


@pytest.mark.parametrize("data", [b"", b"  \n", b"\xef\xbb\xbf "])
def test_nothing_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="is empty"):
        from_bytes(data, JSON, UNKNOWN, what="standard input")


@pytest.mark.parametrize("data", [b"\xff\xfe[", b"[" * 500_000])
def test_bytes_that_no_parser_takes_are_an_error_in_words(data: bytes) -> None:
    with pytest.raises(UsageError, match="is not JSON"):
        from_bytes(data, JSON, UNKNOWN, what="--data")


def test_the_mark_that_excel_writes_does_not_become_part_of_a_column(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    payload = from_file(tmp_path / "r.csv", CSV, TABLE)
    assert (payload.content_type, sent(payload)) == ("text/csv", b"a,b\n1,2\n")


@pytest.mark.parametrize(("start", "key"), [("[", "inputs"), ('[{"a": 1},', "dataframe_records")])
def test_a_large_file_is_wrapped_without_being_read_whole(tmp_path: Path, start: str, key: str) -> None:
    rows = ", ".join(['{"a": 1}' if "{" in start else "1.25"] * 300_000)
    (tmp_path / "r.json").write_text(f"{start} {rows}]")
    payload = from_file(tmp_path / "r.json", JSON, UNKNOWN)
    first = next(payload.chunks())
    assert first == f'{{"{key}": '.encode()
    assert list(json.loads(sent(payload))) == [key]


def test_a_large_body_that_begins_with_its_params_is_recognised(tmp_path: Path) -> None:
    text = json.dumps({"params": {"k": 1}, "inputs": [1.5] * 400_000})
    (tmp_path / "r.json").write_text(text)
    assert sent(from_file(tmp_path / "r.json", JSON, UNKNOWN)) == text.encode()


def test_a_file_that_grows_while_it_is_sent_is_sent_as_long_as_it_was_said(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("a\n1\n")
    payload = from_file(path, CSV, UNKNOWN)
    path.write_text("a\n1\n2\n3\n")
    assert sent(payload) == b"a\n1\n"


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no file .*rows\.json"):
        from_file(tmp_path / "rows.json", JSON, UNKNOWN)
    with pytest.raises(MlxError, match="Is a directory"):
        from_file(tmp_path, JSON, UNKNOWN)


def test_what_cannot_be_read_is_not_the_servers_fault(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n2\n")
    payload = from_file(path, CSV, UNKNOWN)
    path.write_text("a\n")
    with pytest.raises(MlxError, match=r"rows\.csv has become shorter"):
        sent(payload)
    path.unlink()
    with pytest.raises(MlxError, match=r"cannot read .*rows\.csv: No such file"):
        sent(payload)
    path.mkdir()
    with pytest.raises(MlxError, match=r"cannot read .*rows\.csv: Is a directory"):
        sent(payload)


def test_a_pipe_is_told_from_what_can_be_read_again(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    assert is_pipe(tmp_path / "pipe")
    assert not any(map(is_pipe, (tmp_path, tmp_path / "none", tmp_path / ("x" * 5000), Path(__file__))))
