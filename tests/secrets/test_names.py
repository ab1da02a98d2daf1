from __future__ import annotations

import pytest

from mlxkit.errors import AlreadyExistsError, UsageError
from mlxkit.secrets.names import EmptyValueError, check_keys, check_name, check_values, fold, is_name


@pytest.mark.parametrize("name", ["a", "A1", "mlflow_secret", "my-secret", "0", "x" * 100])
def test_good_names_are_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "-a", "_a", "a.b", "a__b", "../x", "a/b", "ä", "a\n", "a:b", "x" * 101, "a\0"]
)
def test_bad_names_are_refused(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(UsageError, match="cannot be the name of a secret"):
        check_name(name)


def test_a_long_or_odd_word_in_place_of_a_name_is_not_repeated() -> None:
    for word in ("S3CR3T/" + "x" * 40, "S3CR3T with blanks"):
        with pytest.raises(UsageError) as raised:
            check_name(word)
        assert "S3CR3T" not in raised.value.message


@pytest.mark.parametrize("taken", ["mlflow_secret", "MLFLOW_SECRET", "mlflow-secret", "Mlflow-Secret"])
def test_a_name_that_a_variable_could_not_tell_apart_is_taken(taken: str) -> None:
    with pytest.raises(AlreadyExistsError, match=taken):
        check_name("mlflow_secret", [taken])
    check_name("mlflow_secret2", [taken])


@pytest.mark.parametrize("key", ["a", "_a", "0", "api.key", "api-key", "A"])
def test_good_keys_are_taken(key: str) -> None:
    check_keys([key])


@pytest.mark.parametrize("key", ["", "-a", ".a", "a b", "a=b", "$parts", "ä", "a\n", "x" * 101])
def test_bad_keys_are_refused(key: str) -> None:
    with pytest.raises(UsageError, match="cannot be a key"):
        check_keys([key])


def test_an_empty_value_explains_the_here_document() -> None:
    with pytest.raises(EmptyValueError, match="--password is empty: if you wrote <<") as raised:
        check_values({"username": "u", "password": ""})
    assert raised.value.hint
    assert '"<<name.key>>"' in raised.value.hint
    check_values({"password": ""}, allow_empty=True)


def test_a_value_that_is_not_text_is_refused_without_being_shown() -> None:
    with pytest.raises(UsageError, match="'k' is not UTF-8") as raised:
        check_values({"k": "S3CR3T\udcff"})
    assert "S3CR3T" not in raised.value.message


def test_folding_is_what_variables_can_spell() -> None:
    assert fold("my-Secret.x") == "MY_SECRET_X"
