"""Every bit should be as often on as off (DBDH, DRSH)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from hammingbird.deep.objective import Batch, Objective
from hammingbird.errors import InputError


class Balance(Objective):
    """The mean square of average codes.

    Parameters
    ----------
    over
        ``samples`` averages each bit over the batch: a bit should split the rows in halves.
        ``bits`` averages the bits of each row, as public ports of DBDH do.
    """

    def __init__(self, over: Literal["samples", "bits"] = "samples") -> None:
        super().__init__()
        if over not in ("samples", "bits"):
            raise InputError(f"over must be 'samples' or 'bits', got {over!r}")
        self.over = over

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over bits (or rows) of the squared average."""
        return batch.outputs.mean(dim=0 if self.over == "samples" else 1).square().mean()
