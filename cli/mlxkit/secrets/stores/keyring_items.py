"""Calls of a keyring class: never for longer than a deadline, and whatever goes wrong becomes a reason."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from .. import payload
from ..masker import Masker
from .backend import candidates, load_backend, named_by
from .deadline import within
from .protocol import StoreUnusableError

NAME = "keyring"
USERNAME = "mlx"
TIMEOUT_VARIABLE = "MLX_KEYRING_TIMEOUT"
REMEDY = "unlock it; without a keyring, set MLX_KEYRING_PASSWORD_FILE, or MLX_SECRET_<NAME>__<KEY>"

# What follows from a Secret Service that ended in the middle of a call, from a new one that knows nothing of the old
# one's session, and from one that D-Bus cannot start again.
# gnome-keyring ends when a client is killed at the wrong moment, of whichever program.
_ENDED = "SecretServiceNotAvailableException"
_ALSO_ENDED = ("org.freedesktop.Secret.Error.NoSession", "org.freedesktop.DBus.Error.Spawn.")
_AGAIN_AFTER = (0.2, 0.5, 1.0)

Result = TypeVar("Result")


class KeyringItems:
    """Items of one keyring class by service; the class is loaded by name when it is first needed."""

    def __init__(self) -> None:
        self._named = named_by(os.environ)
        self._backend: Any = None
        self._gave_up: StoreUnusableError | None = None

    @property
    def name(self) -> str:
        return self._named[0] if self._named else NAME

    @property
    def backend_name(self) -> str:
        """The class that is used, or would be."""
        if self._backend is None:
            return self._named[0] if self._named else candidates()[0]
        cls = type(self._backend)
        return f"{cls.__module__}.{cls.__qualname__}"

    def load(self) -> None:
        """Load the class, or raise the reason why there is none."""
        if self._backend is None:
            self._backend = self._guarded(self._loaded)

    def get(self, service: str) -> str | None:
        text = self._call(lambda backend: backend.get_password(service, USERNAME))
        return text if isinstance(text, str) else None

    def set(self, service: str, text: str) -> None:
        self._call(lambda backend: backend.set_password(service, USERNAME, text), text)

    def delete(self, service: str) -> bool:
        def deleted(backend: Any) -> bool:
            if backend.get_password(service, USERNAME) is None:
                return False
            backend.delete_password(service, USERNAME)
            return True

        return self._call(deleted)

    def _loaded(self) -> Any:
        if self._named:
            name, variable = self._named
            return load_backend(name, store=self.name, named_in=variable)
        failure: StoreUnusableError | None = None
        for name in candidates():
            try:
                return load_backend(name, store=NAME)
            except StoreUnusableError as error:
                failure = failure or error
        raise failure or StoreUnusableError(NAME, "this system has none")

    def _call(self, call: Callable[[Any], Result], text: str = "") -> Result:
        self.load()
        return self._guarded(lambda: self._with_patience(call), text)

    def _with_patience(self, call: Callable[[Any], Result]) -> Result:
        """Make a call, again where a keyring that was there ended during it: each may be made several times."""
        for pause in _AGAIN_AFTER:
            try:
                return call(self._backend)
            except Exception as error:
                if not _ended(error):
                    raise
            time.sleep(pause)
        return call(self._backend)

    def _guarded(self, call: Callable[[], Result], text: str = "") -> Result:
        """Make a call; the one place where whatever a backend raises becomes a reason."""
        if self._gave_up:
            raise self._gave_up
        seconds = _seconds()
        try:
            return within(seconds, call)
        except StoreUnusableError:
            raise
        except TimeoutError:
            self._gave_up = StoreUnusableError(
                self.name, f"no answer within {seconds:g} s; it may be waiting to be unlocked", hint=REMEDY
            )
            raise self._gave_up from None
        except Exception as error:
            # Not chained: what a backend raises may hold the value that it was given.
            reason = StoreUnusableError(self.name, _in_words(error, text), hint=REMEDY)
            if _ended(error):
                self._gave_up = reason
            raise reason from None


def _ended(error: BaseException) -> bool:
    return any(
        type(each).__name__ == _ENDED or str(getattr(each, "name", "")).startswith(_ALSO_ENDED)
        for each in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _seconds() -> float:
    try:
        return max(0.1, float(os.environ[TIMEOUT_VARIABLE]))
    except (KeyError, ValueError):
        return 60.0 if sys.stdin is not None and sys.stdin.isatty() else 10.0


def _in_words(error: Exception, text: str) -> str:
    said = (str(error).strip() or "no reason given").splitlines()[0]
    values = list(payload.decode(text).values()) if text else []
    return f"{type(error).__name__}: {Masker([text, *values]).mask(said)}"
