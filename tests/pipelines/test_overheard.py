"""A stream with a listener is the stream in everything else."""

from __future__ import annotations

import io
from typing import TextIO

from mlxkit.pipelines.overheard import Overheard


def test_what_is_written_goes_to_the_listener_with_the_stream() -> None:
    under, heard = io.StringIO(), []

    def write(stream: TextIO, text: str) -> None:
        heard.append(text)
        stream.write(text.upper())

    stream = Overheard(under, write)
    assert stream.write("one\n") == 4
    stream.writelines(["two", "\n"])
    print("three", file=stream)
    assert under.getvalue() == "ONE\nTWO\nTHREE\n"
    assert "".join(heard) == "one\ntwo\nthree\n"


def test_the_rest_is_the_streams_own() -> None:
    under = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    stream = Overheard(under, lambda to, text: None)
    assert (stream.encoding, stream.isatty(), stream.writable()) == ("latin-1", False, True)
    stream.close()
    assert under.closed
