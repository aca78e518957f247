"""How to train: everything about the loop that is not the method."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Literal

import torch

from hammingbird.errors import InputError

WARM_UP = 0.1
AUTO = "auto"
PRETRAINED_RATE = 0.1


@dataclass(frozen=True)
class Training:
    """Options of the training loop, the same for every method.

    Parameters
    ----------
    learning_rate, schedule
        ``one-cycle`` rises over the first tenth of the steps and falls to zero as a cosine,
        ``step`` halves the rate after each fifth, ``constant`` keeps it.
    backbone_rate
        What the learning rate of the backbone is multiplied by; ``auto`` is 0.1 for a pretrained
        one that is given by its name, else 1; 0 freezes it.
    weight_decay, backbone_decay
        Of the hash layer's weight matrix, and of the backbone's; AdamW takes
        ``learning_rate * weight_decay`` off per step. Biases, normalisation and the objective's own
        weights do not decay.
    batches
        ``random`` draws them as the papers do; ``aware`` puts rows of one class, or neighbours,
        together, which changes how many similar pairs there are for each dissimilar one; ``auto``
        is aware where a row of a random batch would meet fewer than four similar ones. Where it
        would meet fewer than one, as with short lists of neighbours, ``random`` warns.
    validation
        Part of the training rows, in [0, 1), that is not trained on: after every epoch the loss of
        its signs is measured, and the network of the best epoch is kept.
    patience
        Epochs without a better validation loss after which to stop; None trains them all.
    augment
        Mirror and move images while training.
    device
        ``auto`` takes a GPU where there is one.
    precision
        ``bfloat16`` runs the network in mixed precision.
    workers
        Processes that fetch items of a torch Dataset.
    checkpoint
        Folder to write to after every epoch. Calling ``fit`` again after an interruption goes on
        from there and ends in identical codes.
    """

    epochs: int = 40
    batch_size: int = 256
    learning_rate: float = 1e-3
    schedule: Literal["one-cycle", "step", "constant"] = "one-cycle"
    backbone_rate: float | Literal["auto"] = "auto"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 1e-4
    backbone_decay: float = 0.05
    batches: Literal["random", "aware", "auto"] = "random"
    validation: float = 0.0
    patience: int | None = None
    augment: bool = True
    device: str = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = True
    compile: bool = False
    workers: int = 0
    checkpoint: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        for name, smallest in (("epochs", 1), ("batch_size", 2), ("workers", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < smallest:
                raise InputError(f"{name} must be a whole number from {smallest}, got {value!r}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate must be positive, got {self.learning_rate}")
        rate = () if self.backbone_rate == AUTO else ("backbone_rate",)
        for name in ("weight_decay", "backbone_decay", *rate):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.validation < 1:
            raise InputError(f"validation must be in [0, 1), got {self.validation}")
        if self.patience is not None and not self.validation:
            raise InputError("patience needs validation rows: set validation=0.1, for example")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )

    def rate(self, progress: float) -> float:
        """Return the learning rate at a share of all steps, from 0 to 1."""
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "step":
            return float(self.learning_rate * 0.5 ** int(5 * progress))
        if progress < WARM_UP:
            return self.learning_rate * (0.04 + 0.96 * progress / WARM_UP)
        fallen = (progress - WARM_UP) / (1 - WARM_UP)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * fallen))

    def backbone_factor(self, pretrained: bool) -> float:
        """Return what the learning rate of a backbone is multiplied by."""
        if self.backbone_rate == AUTO:
            return PRETRAINED_RATE if pretrained else 1.0
        return float(self.backbone_rate)

    def torch_device(self) -> torch.device:
        """Return the device to train on."""
        name = self.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            return torch.device(name)
        except RuntimeError as error:
            raise InputError(f"device={name!r} is not one that torch knows") from error


_CHOICES = {
    "schedule": ("one-cycle", "step", "constant"),
    "optimizer": ("adamw", "sgd"),
    "batches": ("random", "aware", "auto"),
    "precision": ("float32", "bfloat16"),
}
