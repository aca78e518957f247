"""Checkpoints of a training run: JSON and safetensors, one folder per epoch, never a pickle."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from hammingbird.errors import FileError
from hammingbird.storage import Manifest, discard, load_folder, save_folder, settle

History = list[dict[str, float]]
"""Per epoch the loss, its terms, and what was measured."""


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    folder
        Where to write; with None nothing is written and nothing found.
    run
        What must be equal for a run to go on, as JSON holds it. Those of another run are refused.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, run: Manifest) -> None:
        self.folder = None if folder is None else Path(folder)
        self.run = run

    def write(self, tensors: dict[str, Tensor], history: History) -> None:
        """Write what the next epoch needs, then remove the checkpoints before it."""
        if self.folder is None:
            return
        tensors = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        path = self.folder / f"epoch-{len(history):05d}"
        save_folder(
            path,
            "checkpoint",
            {"run": self.run, "history": history},
            lambda temporary: save_file(tensors, temporary / "state.safetensors"),
            overwrite=True,
        )
        self._keep(path)

    def read(self) -> tuple[dict[str, Tensor], History] | None:
        """Return what the newest complete checkpoint holds."""
        found = self.newest()
        if found is None:
            return None
        manifest, path = found
        if manifest.get("run") != self.run:
            raise FileError(
                f"{path.parent} holds a run with other data or parameters: "
                "choose another checkpoint"
            )
        try:
            tensors, history = load_file(path / "state.safetensors"), manifest["history"]
        except Exception as error:
            raise FileError(f"{path} is not a readable checkpoint: {error}") from error
        self._keep(path)
        return tensors, history

    def newest(self) -> tuple[Manifest, Path] | None:
        """Return the newest complete checkpoint, what it is and where."""
        if self.folder is not None:
            settle(self.folder)
        for path in reversed(self._epochs()):
            with suppress(FileError):
                return load_folder(path, "checkpoint")
        return None

    def _keep(self, newest: Path) -> None:
        """Remove all other checkpoints: older ones, and newer ones that cannot be read."""
        for path in self._epochs():
            if path != newest:
                discard(path)

    def _epochs(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*")) if self.folder and self.folder.is_dir() else []
