"""Checkpoints of a training run: JSON and safetensors, one folder per epoch, never a pickle."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hammingbird.deep.training import Training
from hammingbird.errors import FileError
from hammingbird.storage import load_folder, save_folder

FREE = ("checkpoint", "device", "workers", "compile", "channels_last")
"""What may differ between a run and the one that goes on from it."""

if TYPE_CHECKING:
    from hammingbird.deep.trainer import Trainer


def write(trainer: Trainer) -> None:
    """Write what the next epoch needs, then remove the checkpoint before it."""
    if trainer.training.checkpoint is None:
        return
    folder = Path(trainer.training.checkpoint)
    older = _epochs(folder)
    state = trainer.optimizer.state_dict()
    tensors = {
        **{f"network.{k}": v for k, v in trainer.network.state_dict().items()},
        **{f"objective.{k}": v for k, v in trainer.objective.state_dict().items()},
        **{f"best.{k}": v for k, v in (trainer.best or {}).items()},
        **{
            f"optimizer.{number}.{k}": v
            for number, values in state["state"].items()
            for k, v in values.items()
            if isinstance(v, Tensor)
        },
    }
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    manifest = {"run": _describe(trainer), "history": trainer.history}
    save_folder(
        folder / f"epoch-{len(trainer.history):05d}",
        "checkpoint",
        manifest,
        lambda temporary: save_file(tensors, temporary / "state.safetensors"),
        overwrite=True,
    )
    for path in older:
        shutil.rmtree(path, ignore_errors=True)


def resume(trainer: Trainer) -> int:
    """Restore the newest checkpoint that can be read; return the epochs it has behind it."""
    path = latest(trainer.training)
    if path is None:
        return 0
    manifest, path = load_folder(path, "checkpoint")
    if manifest["run"] != _describe(trainer):
        raise FileError(
            f"{path.parent} holds a run with other data or parameters: choose another checkpoint"
        )
    tensors = load_file(path / "state.safetensors")
    trainer.network.load_state_dict(_part(tensors, "network."))
    trainer.objective.load_state_dict(_part(tensors, "objective."))
    trainer.best = _part(tensors, "best.") or None
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = value
    groups = trainer.optimizer.state_dict()["param_groups"]
    trainer.optimizer.load_state_dict({"state": state, "param_groups": groups})
    trainer.history = manifest["history"]
    return len(trainer.history)


def latest(training: Training) -> Path | None:
    """Return the newest complete checkpoint."""
    if training.checkpoint is None:
        return None
    for path in reversed(_epochs(Path(training.checkpoint))):
        try:
            load_folder(path, "checkpoint")
        except FileError:
            continue
        return path
    return None


def _epochs(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*")) if folder.is_dir() else []


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _describe(trainer: Trainer) -> dict[str, Any]:
    """What must be equal for a run to go on."""
    training = trainer.training
    shapes = {name: list(p.shape) for name, p in trainer.network.state_dict().items()}
    return {
        "method": trainer.name,
        "rows": len(trainer.source),
        "seed": trainer.seed,
        "network": shapes,
        "training": {k: v for k, v in asdict(training).items() if k not in FREE},
        "torch": torch.__version__,
    }
