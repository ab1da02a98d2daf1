"""Masked streams, as they stand in for sys.stdout."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import uuid

import pytest

from mlxkit.secrets import masking
from mlxkit.secrets.masking import MaskedStream, known_values, mask_text, masked_output, register


@pytest.fixture
def secret() -> str:
    value = f"S3CR3T-{uuid.uuid4()}"
    register(value)
    return value


def _stream() -> tuple[MaskedStream, io.BytesIO]:
    raw = io.BytesIO()
    return MaskedStream(io.TextIOWrapper(raw, encoding="utf-8", newline="\n")), raw


def test_what_is_printed_is_masked(secret: str) -> None:
    stream, raw = _stream()
    print("before", secret, "after", file=stream)
    stream.finish()
    assert raw.getvalue() == b"before *** after\n"


def test_write_returns_what_the_caller_wrote(secret: str) -> None:
    stream, _ = _stream()
    assert stream.write(secret) == len(secret)
    assert stream.buffer.write(secret.encode()) == len(secret)


def test_a_secret_that_becomes_known_while_the_stream_is_open_is_masked() -> None:
    stream, raw = _stream()
    value = f"later-{uuid.uuid4()}"
    stream.write(f"{value} ")
    register(value)
    stream.write(f"{value}\n")
    stream.finish()
    assert raw.getvalue().decode() == f"{value} ***\n"


def test_bytes_that_go_round_the_text_are_masked(secret: str) -> None:
    stream, raw = _stream()
    stream.write("text\n")
    stream.flush()
    stream.buffer.write(f"bytes {secret[:10]}".encode())
    stream.buffer.write(memoryview(f"{secret[10:]} end\n".encode()))
    stream.buffer.flush()
    stream.finish()
    assert raw.getvalue() == b"text\nbytes *** end\n"


def test_nothing_is_lost_at_the_end(secret: str) -> None:
    stream, raw = _stream()
    stream.write(f"almost {secret[:-1]}")
    stream.flush()
    assert raw.getvalue() == b"almost "
    stream.finish()
    assert raw.getvalue() == f"almost {secret[:-1]}".encode()


def test_writelines_and_the_context_manager_mask_too(secret: str) -> None:
    text = io.StringIO()
    with MaskedStream(text) as stream:
        stream.writelines([secret[:5], secret[5:], "\n"])
        stream.flush()
        assert text.getvalue() == "***\n"
    assert text.closed


def test_everything_else_is_the_stream_s_own() -> None:
    with open(os.devnull, "w", encoding="latin-1", errors="replace") as file:
        stream = MaskedStream(file)
        assert stream.fileno() == file.fileno()
        assert (stream.encoding, stream.errors, stream.name) == ("latin-1", "replace", os.devnull)
        assert stream.isatty() is False
        assert stream.writable() is True
    with pytest.raises(AttributeError):
        MaskedStream(io.StringIO()).buffer.write(b"x")


def test_it_says_that_a_terminal_is_one() -> None:
    leader, follower = os.openpty()
    try:
        with open(follower, "w", closefd=False) as file:
            assert MaskedStream(file).isatty() is True
    finally:
        os.close(leader)
        os.close(follower)


def test_many_threads_lose_nothing_and_show_nothing(secret: str) -> None:
    stream, raw = _stream()

    def work(number: int) -> None:
        for line in range(200):
            stream.write(f"{number}:{line}:{secret}:\n")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stream.finish()
    lines = raw.getvalue().decode().splitlines()
    assert sorted(lines) == sorted(f"{number}:{line}:***:" for number in range(8) for line in range(200))


def test_masked_output_masks_both_streams_and_puts_them_back(
    secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(RuntimeError), masked_output():
        print(f"out {secret}")
        print(f"err {secret}", file=sys.stderr)
        print("open end", end="")
        raise RuntimeError
    assert (sys.stdout, sys.stderr) == before
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("out ***\nopen end", "err ***\n")


def test_masked_output_leaves_a_stream_that_somebody_else_put_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sys.stdout
    theirs = io.StringIO()
    try:
        with masked_output():
            sys.stdout = theirs
        assert sys.stdout is theirs
    finally:
        sys.stdout = before


def test_a_program_without_a_console_can_be_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with masked_output():
        pass
    assert sys.stdout is None


def test_a_traceback_a_log_and_a_forked_child_are_masked() -> None:
    code = """
import logging, os, sys, threading
from mlxkit.secrets.masking import masked_output
from mlxkit.secrets.value import SecretValue
SecretValue("S3CR3T-in-child")
with masked_output():
    logging.warning("logged %s", "S3CR3T-in-child")
    sys.stdout.flush()
    if os.fork() == 0:
        print("forked S3CR3T-in-child")
        sys.stdout.finish()
        os._exit(0)
    os.wait()
    try:
        raise RuntimeError("raised S3CR3T-in-child")
    except RuntimeError:
        import traceback
        traceback.print_exc()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "S3CR3T" not in done.stdout + done.stderr.replace(
        'raise RuntimeError("raised S3CR3T-in-child")', ""
    )
    assert "forked ***" in done.stdout
    assert "logged ***" in done.stderr
    assert "RuntimeError: raised ***" in done.stderr


def test_short_values_are_not_registered() -> None:
    register("abc")
    assert "abc" not in known_values()


def test_mask_text_masks_a_whole_text(secret: str) -> None:
    assert mask_text(f"{secret}{secret} x {secret[:-1]}") == f"****** x {secret[:-1]}"


def test_a_large_output_with_several_secrets_is_passed_on_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", {f"secret-{number}-{'x' * 2000}": None for number in range(5)})
    stream, raw = _stream()
    line = "2026-01-01 INFO step=123 loss=0.123456 some ordinary line of training output\n"
    for _ in range(5000):
        stream.write(line)
    stream.finish()
    assert raw.getvalue() == (line * 5000).encode()


def test_a_user_name_is_no_secret_unless_it_is_one_elsewhere() -> None:
    code = """
from mlxkit.secrets.masking import known_values, mask_text, register
from mlxkit.secrets.references import resolve
from mlxkit.secrets.value import SecretValue

values = {"username": "admin", "user": "rooty", "password": "hunter2-hunter2", "token": "t0ken-t0ken"}
SecretValue("somebody", "tracking_username")
found = resolve(
    {
        "t.tracking_username": "<<s.username>>",
        "t.tracking_password": "<<s.password>>",
        "t.tracking_uri": "http://<<s.username>>:<<s.password|url>>@host",
    },
    lambda _: values,
)
assert all(type(value) is SecretValue for value in found.values())
assert mask_text("team_admin administrator somebody") == "team_admin administrator somebody"
assert mask_text("a hunter2-hunter2 b") == "a *** b"
assert "***" in mask_text("http://admin:hunter2-hunter2@host")
resolve({"t.tracking_password": "<<s.user>>", "u.tracking_username": "<<s.token>>"}, lambda _: values)
assert mask_text("rooty t0ken-t0ken") == "*** ***"
register("admin", "password")
assert mask_text("admin") == "***"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
