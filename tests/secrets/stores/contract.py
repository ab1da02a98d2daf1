"""What every store that keeps secrets must do; each store's test class inherits this and supplies `make()`."""

from __future__ import annotations

import pytest

from mlxkit.secrets.stores.protocol import SecretStore

AWKWARD = {
    "plain": "p@ss w0rd",
    "quotes": "a\"b'c\\d",
    "lines": "first\nsecond\r\n\tthird\n",
    "unicode": "pä\u00dfwörd \U0001f511 \u202e",
    "blank": " ",
    "json": '{"$parts":3,"a":"b"}',
    "reference": "<<other.key>>",
    "nul": "a\0b",
    "long": "x" * 20_000,
    "empty": "",
}


class StoreContract:
    """The contract of a store."""

    def make(self) -> SecretStore:
        raise NotImplementedError

    @pytest.fixture
    def store(self) -> SecretStore:
        store = self.make()
        store.open()
        return store

    def test_a_secret_that_is_not_there_reads_as_none(self, store: SecretStore) -> None:
        assert store.read("absent") is None

    def test_deleting_what_is_not_there_says_so(self, store: SecretStore) -> None:
        assert store.delete("absent") is False

    def test_awkward_values_come_back_as_they_went_in(self, store: SecretStore) -> None:
        store.write("s", AWKWARD)
        assert store.read("s") == AWKWARD

    def test_a_write_replaces_the_whole_entry(self, store: SecretStore) -> None:
        store.write("s", {"a": "1", "b": "2"})
        store.write("s", {"b": "3"})
        assert store.read("s") == {"b": "3"}

    def test_secrets_do_not_touch_each_other(self, store: SecretStore) -> None:
        for name in ("one", "two", "one-two", "one_two"):
            store.write(name, {"k": f"value of {name}"})
        assert store.delete("one") is True
        assert store.read("one") is None
        assert store.read("one-two") == {"k": "value of one-two"}
        assert store.read("two") == {"k": "value of two"}

    def test_a_second_instance_sees_what_the_first_wrote(self, store: SecretStore) -> None:
        store.write("s", {"k": "v"})
        assert self.make().read("s") == {"k": "v"}

    def test_long_and_short_values_can_replace_each_other(self, store: SecretStore) -> None:
        for value in ("short", "y" * 9000, "z" * 5000, "short again"):
            store.write("s", {"k": value})
            assert store.read("s") == {"k": value}
        assert store.delete("s") is True
        assert store.read("s") is None

    def test_its_name_and_place_can_be_told_without_opening_it(self) -> None:
        store = self.make()
        assert store.name
        assert store.location
