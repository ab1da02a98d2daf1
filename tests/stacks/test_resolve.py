"""References are replaced when a stack is used, all at once, by values that do not print."""

from __future__ import annotations

import pytest

from mlxkit.errors import CredentialsError
from mlxkit.records import ComponentRecord
from mlxkit.secrets.service import SecretService
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.attributes import InvalidAttributeError
from mlxkit.stacks.resolve import ResolvedComponent, resolve_components


@pytest.fixture(autouse=True)
def team(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret from the environment, which needs no keyring."""
    monkeypatch.setenv("MLX_SECRET_TEAM__TOKEN", "hunter2-token")
    monkeypatch.setenv("MLX_SECRET_TEAM__HOST", "mlflow.example.com")
    monkeypatch.setenv("MLX_SECRET_TEAM__NESTED", "yes")
    monkeypatch.setenv("MLX_SECRET_TEAM__WORD", "perhaps")


def resolve(**attributes: object) -> ResolvedComponent:
    return resolve_components(
        [ComponentRecord("t", "experiment_tracker", "mlflow", attributes)], SecretService()
    )[0]


def test_a_reference_becomes_a_value_that_does_not_print() -> None:
    made = resolve(tracking_uri="https://<<team.host>>/x", tracking_token="<<team.token>>")
    uri, token = made.attributes["tracking_uri"], made.attributes["tracking_token"]
    assert isinstance(uri, SecretValue)
    assert isinstance(token, SecretValue)
    assert (uri.reveal(), token.reveal()) == ("https://mlflow.example.com/x", "hunter2-token")
    assert "hunter2" not in f"{made!r}{made}"


def test_text_without_a_reference_stays_text() -> None:
    made = resolve(tracking_uri="http://localhost", tags={"a": "b"}, nested=True, experiment_name=r"\<<x.y>>")
    assert made.attributes == {
        "tracking_uri": "http://localhost",
        "tags": {"a": "b"},
        "nested": True,
        "experiment_name": "<<x.y>>",
    }


def test_a_credential_in_plain_text_does_not_print_either() -> None:
    made = resolve(tracking_token="hunter2-plain")
    assert made.attributes["tracking_token"].reveal() == "hunter2-plain"
    assert "hunter2" not in repr(made)


def test_a_reference_inside_a_map_is_replaced() -> None:
    made = resolve(tags={"who": "<<team.host>>"})
    assert made.attributes["tags"]["who"].reveal() == "mlflow.example.com"


def test_a_boolean_by_reference_becomes_a_boolean() -> None:
    assert resolve(nested="<<team.nested>>").attributes["nested"] is True


def test_a_boolean_by_reference_that_is_none_is_refused_without_its_value() -> None:
    with pytest.raises(InvalidAttributeError, match=r"^nested: has to be true or false") as caught:
        resolve(nested="<<team.word>>")
    assert "perhaps" not in caught.value.message


def test_everything_that_is_missing_is_said_at_once() -> None:
    components = [
        ComponentRecord(
            "a",
            "experiment_tracker",
            "mlflow",
            {"tracking_token": "<<taem.token>>", "tags": {"x": "<<team.tokn>>"}},
        ),
        ComponentRecord("b", "artifact_store", "local", {"path": "<<gone.path>>"}),
    ]
    with pytest.raises(CredentialsError) as caught:
        resolve_components(components, SecretService())
    assert (
        "experiment_trackers.a.tracking_token: no secret named 'taem' (did you mean 'team'?)"
        in caught.value.message
    )
    assert "experiment_trackers.a.tags.x: secret 'team' has no key 'tokn'" in caught.value.message
    assert "artifact_stores.b.path: no secret named 'gone'" in caught.value.message
    assert "hunter2" not in caught.value.message
