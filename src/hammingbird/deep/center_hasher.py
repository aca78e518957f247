"""What is kept of a fit around class centres: the centres, their classes, the surrogate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_softmax
from torch import Tensor

from hammingbird.codes import Codes, pack
from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.center_codes import CenterObjective
from hammingbird.deep.objectives.posterior import BLOCK, CodePosterior
from hammingbird.errors import InputError
from hammingbird.estimator import check_is_fitted
from hammingbird.hasher import Hasher

LEARNED = (
    "centers_", "classes_", "center_distance_", "surrogate_hidden_weights_",
    "surrogate_output_weights_",
)  # fmt: skip


class CenterHasher(Hasher):
    """Base of hashers whose objective may have class centres, which are then kept with the model.

    Row c of ``centers_``, packed codes [n_classes, ceil(n_bits / 8)], is the centre that the class
    ``classes_[c]`` had in the end: a label, or the column of a label set. The least distance of two
    centres is ``center_distance_``. With the plug-in ``_D`` its surrogate is kept too, see
    :meth:`log_posterior`. Where the objective has none of these, the attributes are missing.
    """

    centers_: Codes
    classes_: list[Any]
    center_distance_: int
    surrogate_hidden_weights_: NDArray[np.float32]
    """[blocks, 9, width]: a row per bit, zero where the last block has fewer; the last is bias."""
    surrogate_output_weights_: NDArray[np.float32]
    """[blocks, width + 1, 256]: a column per pattern; the last row is bias."""

    def log_posterior(self, X: ArrayLike) -> list[NDArray[np.float32]]:
        """Natural logarithm of the probability of the bit patterns of each row of ``X`` [n, d].

        The surrogate of the plug-in ``_D`` estimates it per block of up to 8 bits: one array
        [n, 2^bits] for each block, where the first bit of a block counts 1 in a pattern's number
        (Lower Bound, Fig. 8). :func:`hammingbird.evaluation.diagnostics.posterior_divergence`
        compares it with codes. Raises :class:`InputError` if the hasher was fitted without it.
        """
        check_is_fitted(self)
        if not hasattr(self, "surrogate_hidden_weights_"):
            raise InputError(
                f"this {type(self).__name__} has no surrogate: fit it with posterior='added'"
            )
        scores = np.asarray(self.project(X), np.float32)
        found = []
        for i, (hidden, output) in enumerate(
            zip(self.surrogate_hidden_weights_, self.surrogate_output_weights_, strict=True)
        ):
            bits = scores[:, BLOCK * i : BLOCK * (i + 1)]
            z = bits @ hidden[: bits.shape[1]] + hidden[-1]
            patterns = output[:, : 1 << bits.shape[1]]
            found.append(log_softmax(z * expit(z) @ patterns[:-1] + patterns[-1], axis=1))
        return found

    def _keep_centers(self, objective: Objective, classes: list[Any]) -> None:
        """Keep what the objective ended with, and nothing of an earlier fit."""
        for name in LEARNED:
            self.__dict__.pop(name, None)
        for _, _, part in objective.terms():
            if isinstance(part, CenterObjective):
                self.centers_ = pack(part.centers.cpu().numpy())
                self.classes_, self.center_distance_ = classes, part.min_distance
            if isinstance(part, CodePosterior):
                hidden = [_with_bias(layer, BLOCK, part.hidden) for layer in part.first]
                output = [_with_bias(layer, part.hidden, 1 << BLOCK) for layer in part.second]
                self.surrogate_hidden_weights_ = np.stack(hidden)
                self.surrogate_output_weights_ = np.stack(output)


def _with_bias(layer: Any, inputs: int, outputs: int) -> NDArray[np.float32]:
    """Weights and bias of a linear layer, float32 [inputs + 1, outputs], missing ones zero."""
    weight, bias = (_array(tensor) for tensor in (layer.weight, layer.bias))
    padded = np.zeros((inputs + 1, outputs), np.float32)
    padded[: weight.shape[1], : len(weight)] = weight.T
    padded[-1, : len(bias)] = bias
    return padded


def _array(tensor: Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = tensor.detach().cpu().float().numpy()
    return values
