"""The artifact stores beyond a disk as components: what they take, refuse and warn of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import MissingDependencyError
from mlxkit.integrations.fsspec import flavor as flavors
from mlxkit.integrations.fsspec import options
from mlxkit.integrations.fsspec.times import changed
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.attributes import InvalidAttributeError, check_attributes
from mlxkit.stacks.flavors import Flavor
from mlxkit.stacks.resolve import ResolvedComponent
from tests.conftest import Result

Mlx = Callable[..., Result]

GOOD: list[tuple[Flavor, dict[str, Any]]] = [
    (flavors.S3, {"path": "s3://bucket"}),
    (flavors.S3, {"path": "<<lake.path>>", "key": "<<lake.key>>", "secret": "<<lake.secret>>"}),
    (flavors.GCS, {"path": "gs://bucket/deep/prefix", "token": "<<g.token>>", "retries": 0}),
    (flavors.AZURE, {"path": "az://container/mlx", "account_name": "team"}),
    (flavors.AZURE, {"path": "abfs://container", "connection_string": "<<a.c>>"}),
    (flavors.FSSPEC, {"path": "sftp://nas/mlx", "options": {"username": "me", "password": "<<nas.p>>"}}),
    (flavors.FSSPEC, {"path": "simplecache::https://h/x", "cache_size": "1.5GB"}),
]
WRONG: list[tuple[Flavor, dict[str, Any], str]] = [
    (flavors.S3, {}, "path: missing"),
    (flavors.S3, {"path": "gs://bucket"}, "path: has to begin with s3://"),
    (flavors.S3, {"path": "s3://"}, "path: has to be an address such as s3://BUCKET/PREFIX"),
    (flavors.S3, {"path": "bucket/mlx"}, "path: has to be an address"),
    (flavors.S3, {"path": "s3://b?x=1"}, "plain address"),
    (flavors.S3, {"path": "s3://key:secret@bucket"}, "path: holds credentials in plain text"),
    (flavors.S3, {"path": "s3://b", "key": "<<l.k>>"}, "secret: missing: key alone"),
    (flavors.S3, {"path": "s3://b", "token": "<<l.k>>"}, "token: a session token needs"),
    (flavors.S3, {"path": "s3://b", "anon": True, "profile": "p"}, "anon: says that no credentials"),
    (flavors.S3, {"path": "s3://b", "cache_size": "a lot"}, "cache_size: has to be a size"),
    (flavors.S3, {"path": "s3://b", "retries": 99}, "retries: has to be from 0 to 20"),
    (flavors.S3, {"path": "s3://b", "regoin": "x"}, "regoin: .*did you mean 'region'"),
    (flavors.AZURE, {"path": "az://c"}, "account_name: missing"),
    (flavors.FSSPEC, {"path": "sftp://n/x", "options": {"password": "hunter2"}}, "options.password: holds a credential"),
]  # fmt: skip


@pytest.mark.parametrize(("flavor", "attributes"), GOOD)
def test_what_is_right_is_taken(flavor: Flavor, attributes: dict[str, Any]) -> None:
    assert check_attributes(flavor, "lake", attributes) == []


@pytest.mark.parametrize(("flavor", "attributes", "said"), WRONG)
def test_what_is_wrong_is_refused(flavor: Flavor, attributes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidAttributeError, match=said) as caught:
        check_attributes(flavor, "lake", attributes)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 50 << 20, 200 << 30, 5 << 40])
def test_a_file_of_any_size_has_no_more_parts_than_s3_takes(size: int) -> None:
    part = options.part_size(size)
    assert part >= options.BLOCK and -(-size // part) <= 10_000


def test_options_with_references_are_registered_as_they_are_documented(home: Path, mlx: Mlx) -> None:
    (Path.cwd() / "mlx.yaml").write_text("version: 1\n")
    given = '{"username": "me", "password": "<<nas.password>>", "port": 22}'
    for name, told in (("nas", given), ("other", "<<nas.options>>")):
        made = mlx(
            "artifact-store",
            "register",
            name,
            "--flavor=fsspec",
            "--path=sftp://nas/mlx",
            f"--options={told}",
        )
        assert made.code == 0, made.stderr
    shown = json.loads(mlx("artifact-store", "describe", "nas", "-o", "json").stdout)
    assert shown["attributes"]["options"] == {"username": "me", "password": "<<nas.password>>", "port": 22}
    plain = mlx(
        "artifact-store",
        "register",
        "x",
        "--flavor=fsspec",
        "--path=sftp://n/x",
        '--options={"password": "pw1234"}',
    )
    assert plain.code != 0 and "plain text" in plain.stderr and "pw1234" not in plain.stderr


def component(flavor: str, **attributes: Any) -> ResolvedComponent:
    return ResolvedComponent("artifact_store", "lake", flavor, attributes)


def test_attributes_become_storage_options() -> None:
    made = options.storage_options(
        component(
            "s3",
            path="s3://b",
            key=SecretValue("K"),
            secret=SecretValue("S"),
            region="r",
            retries=2,
            profile="",
        )
    )
    assert (made["key"], made["secret"], made["client_kwargs"]) == ("K", "S", {"region_name": "r"})
    assert made["config_kwargs"]["retries"]["total_max_attempts"] == 3
    assert not {"profile", "token", "anon", "path"} & set(made)
    key = {"type": "service_account", "project_id": "p"}
    made = options.storage_options(
        component("gcs", path="gs://b", token=SecretValue(json.dumps(key)), project="p")
    )
    assert made == {"token": key, "project": "p"}
    assert options.storage_options(component("gcs", path="gs://b", anon=True)) == {"token": "anon"}
    assert options.storage_options(component("gcs", path="gs://b")) == {}
    made = options.storage_options(
        component("azure", path="az://c", account_name="t", sas_token=SecretValue("sv=1"))
    )
    assert made == {"account_name": "t", "sas_token": "sv=1", "anon": False}
    made = options.storage_options(
        component("fsspec", path="x://y", options={"port": 22, "password": SecretValue("P")})
    )
    assert made == {"port": 22, "password": "P"}


def test_plain_credentials_are_warned_of_with_the_way_out(mlx: Mlx) -> None:
    done = mlx(
        "artifact-store",
        "register",
        "lake",
        "--flavor=s3",
        "--path=s3://team/mlx",
        "--key=AKIA0815",
        "--secret=hush-hush-4711",
    )
    assert done.code == 0
    assert "key and secret are stored as plain text" in done.stderr
    assert (
        'mlx artifact-store update lake --key="<<lake_secret.key>>" --secret="<<lake_secret.secret>>"'
        in done.stderr
    )
    shown = mlx("artifact-store", "describe", "lake", "-o", "json")
    assert "hush-hush" not in shown.stdout + shown.stderr + done.stderr
    assert "s3://team/mlx" in shown.stdout


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="'azure' needs adlfs") as caught:
        options.need_library("azure")
    assert caught.value.hint == "pip install 'mlxkit[azure]'"


def test_a_local_tracker_needs_a_local_store(mlx: Mlx) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\n"
        "artifact_stores:\n  lake: {flavor: s3, path: 's3://team/mlx'}\n"
        "stacks:\n  s: {experiment_tracker: t, artifact_store: lake}\n"
    )
    done = mlx("stack", "validate", "s")
    assert done.code != 0
    assert "its runs stay on this machine" in done.stdout + done.stderr


def test_the_age_of_a_file_is_read_from_what_every_service_says() -> None:
    from datetime import datetime, timezone

    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert (
        changed({"LastModified": at}) == changed({"last_modified": at.replace(tzinfo=None)}) == at.timestamp()
    )
    assert (
        changed({"updated": "2026-01-02T03:04:05.000Z"})
        == changed({"mtime": at.timestamp()})
        == at.timestamp()
    )
    assert changed({"name": "x", "created": None}) is None
