"""A fitted deep hasher as one ONNX graph: encoder, sign and bit packing."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from hammingbird.deep.network import Network
from hammingbird.errors import MissingExtraError
from hammingbird.storage import replacing


class Encoder(nn.Module):
    """From inputs [n, ...] to packed codes, uint8 [n, ceil(n_bits / 8)], and scores [n, n_bits]."""

    place: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("place", 2 ** torch.arange(7, -1, -1, dtype=torch.int32))

    def forward(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Encode; the most significant bit comes first, and zeros fill the last byte."""
        scores: Tensor = self.network(X.flatten(1))
        bits = pad((scores >= 0).to(torch.int32), (0, -scores.shape[1] % 8))
        rows: Tensor = bits.unflatten(1, (-1, 8))  # type: ignore[no-untyped-call]
        return (rows * self.place).sum(dim=2).to(torch.uint8), scores


def export_onnx(
    network: Network, shape: tuple[int, ...], path: str | os.PathLike[str], *, overwrite: bool
) -> None:
    """Write the graph ``X -> codes, scores``; ``X`` is float32 [n, *shape], n is free."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(str(error.name), "export") from error
    example = torch.zeros(2, *shape)
    chatter = logging.getLogger("torch.onnx"), logging.getLogger("onnxscript")
    levels = [logger.level for logger in chatter]
    with replacing(Path(path), overwrite) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        for logger in chatter:
            logger.setLevel(logging.ERROR)
        try:
            torch.onnx.export(
                Encoder(network).eval(),
                (example,),
                temporary,
                input_names=["X"],
                output_names=["codes", "scores"],
                dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        finally:
            for logger, level in zip(chatter, levels, strict=True):
                logger.setLevel(level)
