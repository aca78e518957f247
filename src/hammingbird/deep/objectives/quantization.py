"""How far relaxed codes are from -1 and +1."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from hammingbird.deep.objective import Batch, Objective
from hammingbird.errors import InputError

Kind = Literal["square", "log-cosh", "absolute", "cubic"]


class Quantization(Objective):
    """The mean over all entries of a distance between ``|u|`` and 1.

    ``square`` is ``(|u| - 1)^2 = (u - sgn u)^2`` (DPSH, DSDH), ``log-cosh`` is
    ``log cosh(|u| - 1)`` (DHN, CSQ), ``cubic`` is ``||u| - 1|^3`` (GreedyHash), ``absolute`` is
    ``||u| - 1|``.

    Parameters
    ----------
    of
        The relaxed codes, or the logits before the relaxation.
    """

    def __init__(
        self, kind: Kind = "square", *, of: Literal["outputs", "logits"] = "outputs"
    ) -> None:
        super().__init__()
        if kind not in ("square", "log-cosh", "absolute", "cubic"):
            raise InputError(f"kind must be square, log-cosh, absolute or cubic, got {kind!r}")
        if of not in ("outputs", "logits"):
            raise InputError(f"of must be 'outputs' or 'logits', got {of!r}")
        self.kind, self.of = kind, of

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over rows and bits."""
        codes = batch.outputs if self.of == "outputs" else batch.logits
        gap = (codes.abs() - 1).abs()
        if self.kind == "log-cosh":
            return (gap + softplus(-2 * gap) - math.log(2)).mean()
        power = {"square": 2, "absolute": 1, "cubic": 3}[self.kind]
        return gap.pow(power).mean()
