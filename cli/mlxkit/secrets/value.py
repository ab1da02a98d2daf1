"""A value that does not print, pickle or copy itself."""

from __future__ import annotations

from typing import Any, NoReturn

from . import masking

MASK = masking.MASK


class SecretValue:
    """Hold one secret text; only `reveal()` gives it, and every output masker knows it from now on.

    `of` is the key or attribute that it is the value of: a user name is not masked (masking.register).
    """

    __slots__ = ("__text",)

    def __init__(self, text: str, of: str = "") -> None:
        self.__text = text
        masking.register(text, of)

    def reveal(self) -> str:
        """Return the text itself; call it where the text is used and nowhere earlier."""
        return self.__text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretValue):
            return NotImplemented
        import hmac

        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    def __hash__(self) -> int:
        return hash((SecretValue, self.__text))

    def _refuse(self, *_: Any) -> NoReturn:
        raise TypeError(
            "a secret value cannot be copied or pickled: pass the reference and resolve it where it is used"
        )

    __reduce__ = __reduce_ex__ = __getstate__ = __copy__ = __deepcopy__ = _refuse
