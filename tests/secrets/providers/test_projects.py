"""Which mlx.yaml the providers are read from: that of the project which a component is opened for, wherever one stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.checkup.store_probe import open_store
from mlxkit.config.paths import find_project
from mlxkit.pipelines.session import RunOptions, Session
from mlxkit.pipelines.stores import _store
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.trackers import resolved_tracker
from tests.fixtures.openbao import OpenBao


def test_the_providers_are_those_of_the_project_that_a_component_is_of(
    openbao: OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = openbao.mount()
    openbao.put(mount, "db", {"password": "S3CR3T-of-that-project", "folder": str(tmp_path / "kept")})
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "env")
    monkeypatch.setenv("VAULT_ADDR", openbao.address)
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    there = tmp_path / "there"
    there.mkdir()
    (there / "mlx.yaml").write_text(
        f"secret_providers: {{team: {{flavor: vault, mount: {mount}}}}}\n"
        "experiment_trackers: {mine: {flavor: mlflow, tracking_uri: 'http://127.0.0.1:9',"
        " tracking_username: ada, tracking_password: '<<db.password>>'}}\n"
        "artifact_stores: {kept: {flavor: local, path: '<<db.folder>>'}}\n"
        "stacks: {one: {experiment_tracker: mine, artifact_store: kept, orchestrator: local}}\n"
    )
    here = Path.cwd()
    monkeypatch.chdir(there)
    project = find_project()
    monkeypatch.chdir(here)
    assert find_project() != project
    password = resolved_tracker("mine", project).attributes["tracking_password"]
    assert isinstance(password, SecretValue) and password.reveal() == "S3CR3T-of-that-project"
    opened = [open_store("kept", project)[1], _store(project, "one")]
    assert {store.location for store in opened} == {str(tmp_path / "kept")}
    session = Session(RunOptions(), project=project)
    assert session.secrets.value("db", "password") == "S3CR3T-of-that-project"
