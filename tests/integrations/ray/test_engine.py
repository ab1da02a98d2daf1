"""What Ray is told of a token, whatever it was told before."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from mlxkit.integrations.ray.engine import engine
from mlxkit.integrations.ray.probe import check_answers
from mlxkit.integrations.ray.settings import RaySettings
from mlxkit.secrets.value import SecretValue


@contextmanager
def answering(heard: list[str]) -> Iterator[str]:
    """Answer every question, and note the token that came with it."""
    grpc = pytest.importorskip("grpc", reason="ray is not installed")

    class Anything(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            heard.append(dict(details.invocation_metadata).get("authorization", ""))
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")

    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((Anything(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def test_a_token_goes_to_its_own_cluster_and_to_no_other() -> None:
    pytest.importorskip("ray", reason="ray is not installed")  # which has read its variables now
    heard: list[str] = []
    with answering(heard) as address:
        for token in ("first-of-them-3f8a", None, "second-of-them-9c1d", "first-of-them-3f8a", None):
            settings = RaySettings("c", address, auth_token=SecretValue(token) if token else None)
            with engine(settings):
                check_answers(settings, address)
    first, second = "Bearer first-of-them-3f8a", "Bearer second-of-them-9c1d"
    assert heard == [first, "", second, first, ""]
