"""Training on several processes: each runs the network on its share of every batch."""

from __future__ import annotations

import atexit
import os
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hammingbird.errors import MissingExtraError


class Processes:
    """The processes that ``accelerate launch`` or ``torchrun`` started, or this one alone.

    Every process gathers the logits of the whole batch and computes the same objective of all its
    pairs, so that pairs across processes count, and the gradient is that of one process.
    """

    rank: int = 0
    count: int = 1

    def __init__(self, device: torch.device) -> None:
        self.accelerator: Any = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            try:
                from accelerate import Accelerator
            except ImportError as error:
                raise MissingExtraError("accelerate", "parallel") from error
            if not torch.distributed.is_initialized():
                # Its threads end before Python does: one that asks for the interpreter after that
                # takes the process down.
                atexit.register(_part)
            self.accelerator = Accelerator(cpu=device.type == "cpu")
            self.rank = self.accelerator.process_index
            self.count = self.accelerator.num_processes
            device = self.accelerator.device
        self.device = device

    def wrap(self, network: nn.Module) -> Any:
        """Return the network to train with, which averages gradients over the processes."""
        if self.accelerator is None or not any(p.requires_grad for p in network.parameters()):
            return network
        return self.accelerator.prepare_model(network)

    def share(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the process's own rows of a batch.

        All shares are equally long, so some rows may come twice.
        """
        each = -(-len(rows) // self.count)
        return np.resize(rows, each * self.count)[self.rank * each : (self.rank + 1) * each]

    def gather(self, share: Tensor, length: int) -> Tensor:
        """All rows of a batch from every process's share; a gradient flows to the own share."""
        if self.count == 1:
            return share
        with torch.no_grad():
            parts = list(self.accelerator.gather(share.detach()).chunk(self.count))
        if share.requires_grad:
            # Averaged over processes later, so that the sum over shares is what one would have.
            share.register_hook(lambda g: g * self.count)  # type: ignore[no-untyped-call]
        parts[self.rank] = share
        return torch.cat(parts)[:length]


def _part() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
