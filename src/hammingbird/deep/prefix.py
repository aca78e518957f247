"""Hashers whose shorter codes are some bits of the longer ones."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hammingbird.codes import check_n_bits
from hammingbird.deep.center_hasher import LEARNED
from hammingbird.deep.paper import PaperMethod
from hammingbird.errors import InputError
from hammingbird.estimator import check_is_fitted

if TYPE_CHECKING:
    from typing_extensions import Self


class BitScalable(PaperMethod):
    """Base of methods that learn one long code of which a part is a good shorter code."""

    def prefix(self, n_bits: int) -> Self:
        """Return a fitted hasher of ``n_bits`` bits, at most as many as were learned.

        Its codes are the first bits of this one's, unless the method says otherwise. It has no
        centres: those are of the whole code.
        """
        check_is_fitted(self)
        if check_n_bits(n_bits) > self.n_bits_:
            raise InputError(f"n_bits must be at most {self.n_bits_}, got {n_bits}")
        shorter = copy.copy(self)
        for name in LEARNED:
            shorter.__dict__.pop(name, None)
        shorter.n_bits = shorter.n_bits_ = int(n_bits)
        shorter._keep(self._importance()[:n_bits])
        return shorter

    def _importance(self) -> NDArray[np.intp]:
        """Bits, the most important first."""
        return np.arange(self.n_bits_)

    def _keep(self, bits: NDArray[np.intp]) -> None:
        """Leave the network these bits, in this order."""
        network = copy.deepcopy(self._network())
        rows = torch.from_numpy(bits)
        head = nn.Linear(network.head.in_features, len(bits))
        with torch.no_grad():
            head.weight.copy_(network.head.weight[rows])
            head.bias.copy_(network.head.bias[rows])
        network.head = head
        self._forget()
        self._built = network
