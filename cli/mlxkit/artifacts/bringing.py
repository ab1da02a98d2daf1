"""Content of one artifact store brought to another as it is: nothing is loaded, and the digest stays."""

from __future__ import annotations

import os
import shutil

from .errors import ArtifactStoreError
from .records import ArtifactRecord
from .store import ArtifactStore

_CONTENT = "content"


def bring(artifact: ArtifactRecord, source: ArtifactStore, store: ArtifactStore) -> None:
    """Copy an artifact's content to a store that has not got it, under the same key.

    Raises ArtifactMissingError when `source` has not got it either, and ArtifactStoreError.
    """
    if artifact.inline is not None or store.exists(artifact):
        return
    found = source.locate(artifact.uri, artifact)
    try:
        with store.draft() as folder:
            draft = folder / _CONTENT
            if found.is_dir():
                shutil.copytree(found, draft, copy_function=shutil.copy)
            else:
                shutil.copy(found, draft)  # as private as it was
            os.utime(draft)  # a copied folder has the age of the first; what is new here is not pruned yet
            store.commit(draft, artifact.uri)
    except OSError as error:
        raise ArtifactStoreError(
            f"artifact {artifact.digest[:12]} cannot be brought from {source.location} to {store.location}: "
            f"{error.strerror or error}",
            hint="mlx artifact-store list",
        ) from error
