"""Who may not do something is told so, and not to look at credentials that are right."""

from __future__ import annotations

import uuid

import pytest

from mlxkit.errors import CredentialsError
from mlxkit.models.service import ModelService
from tests.fixtures.mlflow_server import MlflowServer
from tests.fixtures.shelf import GOOD, Shelf


def test_a_missing_permission_is_named_and_wrong_credentials_are_told_apart(
    server_shelf: Shelf, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_shelf.stock(GOOD)
    reader, password = f"reader-{uuid.uuid4().hex[:8]}", "S3CR3T-reader-password"
    mlflow_server.admin.call("POST", "users/create", {"username": reader, "password": password})
    monkeypatch.setenv("MLX_SECRET_SERVER__USERNAME", reader)
    monkeypatch.setenv("MLX_SECRET_SERVER__PASSWORD", password)
    assert ModelService().get(f"{server_shelf.name}:1").version == 1  # which everybody may read here
    with pytest.raises(CredentialsError, match="does not allow it") as denied:
        ModelService().tag(f"{server_shelf.name}:1", {"a": "b"})
    assert denied.value.hint is not None and "for the permission" in denied.value.hint
    assert "tracking_username" not in denied.value.hint
    monkeypatch.setenv("MLX_SECRET_SERVER__PASSWORD", "S3CR3T-wrong")
    with pytest.raises(CredentialsError, match="refused the user name or password") as refused:
        ModelService().list()
    assert refused.value.hint is not None and "--tracking_username" in refused.value.hint
