"""What is true of the data whatever the methods: found once, kept beside the cells of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.storage import fingerprint, load_folder, save_folder


def kept(
    folder: Path | None, made_of: dict[str, Any], find: Callable[[], NDArray[Any]]
) -> NDArray[Any]:
    """Return the array in ``folder`` if it was made of the same, else find it and keep it there."""
    key = fingerprint(made_of)
    if folder is not None and folder.exists():
        manifest, path = load_folder(folder, "truth")
        if manifest.get("key") == key:
            array: NDArray[Any] = np.load(path / "array.npy", mmap_mode="r", allow_pickle=False)
            return array
    found = find()
    if folder is not None:
        save_folder(
            folder,
            "truth",
            {"key": key, **made_of},
            lambda temporary: np.save(temporary / "array.npy", found),
            overwrite=True,
        )
    return found
