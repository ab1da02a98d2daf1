"""What can go wrong between a value and its stored form."""

from __future__ import annotations

from ..errors import MlxError, NotFoundError, StepFailedError


class ArtifactMissingError(NotFoundError):
    """Stored content is gone, cut short or not what history recorded; running the step again heals it."""


class ArtifactUnreadableError(MlxError):
    """Stored content is intact, but this program cannot turn it back into a value."""


class UntrustedCodeError(MlxError):
    """Loading a value would run code that somebody else stored, and the store is not set to trust them."""


class ArtifactStoreError(MlxError):
    """The artifact store cannot be written: disk full, no permission, not a folder."""


class OutputTypeError(StepFailedError, TypeError):
    """A step returned another type than it declares."""


class UnstorableOutputError(StepFailedError, TypeError):
    """A value has no stored form: a lock, a generator, an open connection, a secret."""
