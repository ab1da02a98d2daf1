"""Deployments of real models, served by real servers."""

from __future__ import annotations

from tests.deployments.zoo import Zoo


def test_deploy_serves_the_version_and_remembers_what_was_asked(zoo: Zoo) -> None:
    made = zoo.service.deploy("zoo:1")
    assert (made.name, made.model, made.version, made.reference, made.state) == (
        "zoo",
        "zoo",
        1,
        "zoo:1",
        "running",
    )
    assert zoo.service.predict("zoo", b"[[1, 10]]") == {"predictions": [12.0]}
