"""Which names a server that listens on this machine alone answers to."""

from __future__ import annotations

import pytest

from mlxkit.integrations.mlflow.serving.hosts import is_of_this_machine
from mlxkit.stacks.addresses import is_loopback


@pytest.mark.parametrize(
    "host", ["", "localhost", "LocalHost:8000", "a.localhost", "localhost.", "127.0.0.1:80", "10.1.2.3", "[::1]:80", "[::1]"]
)  # fmt: skip
def test_addresses_and_localhost_are_of_this_machine(host: str) -> None:
    assert is_of_this_machine(host.encode())


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "[evil]", "[::1]evil", "evillocalhost", "1", "127.0.0.1:x", "localhost:80@evil.example", "\xff"]
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    assert not is_of_this_machine(host.encode("latin-1"))


def test_what_is_reached_from_here_alone() -> None:
    assert is_loopback("127.0.0.1") and is_loopback("127.9.9.9") and is_loopback("::1")
    assert not is_loopback("0.0.0.0") and not is_loopback("::") and not is_loopback("192.168.0.1")
