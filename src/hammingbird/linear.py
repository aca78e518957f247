"""Linear hashers: what classical methods share, and what any of them serves as."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from hammingbird.codes import Output, n_bytes
from hammingbird.errors import FileError, InputError, MissingExtraError
from hammingbird.estimator import check_is_fitted
from hammingbird.hasher import Hasher
from hammingbird.inputs import is_sparse
from hammingbird.storage import Manifest, replacing

NETWORK = (
    "network.enter.mean", "network.enter.scale", "network.head.weight", "network.head.bias",
)  # fmt: skip
"""What a deep hasher saves of a network that is one linear layer on standardised vectors."""
OPSET, IR = 17, 8
"""ONNX versions that every runtime of the last years reads."""


class LinearHasher(Hasher):
    """Scores ``(x - mean_) @ weights_``, with ``mean_`` [d] and ``weights_`` [d, n_bits].

    A method that adds ``bias_`` [n_bits] to them keeps it under that name.
    """

    projects_sparse = True
    mean_: NDArray[np.floating]
    weights_: NDArray[np.floating]

    def to_linear(self) -> Linear:
        """Return a plain :class:`Linear` with the same scores and codes."""
        check_is_fitted(self)
        linear = Linear.of(*self._map())
        if hasattr(self, "feature_names_in_"):
            linear.feature_names_in_ = self.feature_names_in_
        return linear

    def export_onnx(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write one ONNX graph with input ``X``, float32 [n, d].

        Its outputs are ``codes``, the uint8 codes of ``transform``, and ``scores``.
        """
        check_is_fitted(self)
        export_onnx(*self._map(), path, overwrite=overwrite)

    def _map(self) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
        """Mean [d], weights [d, n_bits] and bias [n_bits] of the scores."""
        return self.mean_, self.weights_, getattr(self, "bias_", np.zeros(self.n_bits_))

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        mean, weights = self.mean_.astype(X.dtype), self.weights_.astype(X.dtype)
        if is_sparse(X):  # centred rows would be full
            return np.asarray(X @ weights - mean @ weights)
        return (X - mean) @ weights


class Linear(LinearHasher):
    """Scores ``(x - mean_) @ weights_ + bias_`` of numbers learned elsewhere; made by :meth:`of`.

    Encodes with NumPy alone; ``to_linear`` of a linear hasher returns it.
    """

    bias_: NDArray[np.floating]

    def __init__(self, n_bits: int = 64, *, output: Output = "packed") -> None:
        self.n_bits = n_bits
        self.output = output

    @classmethod
    def of(
        cls,
        mean: NDArray[np.floating],
        weights: NDArray[np.floating],
        bias: NDArray[np.floating],
    ) -> Linear:
        """Return a fitted hasher of ``mean`` [d], ``weights`` [d, n_bits] and ``bias`` [n_bits]."""
        if weights.shape != (*mean.shape, *bias.shape) or weights.ndim != 2:
            raise InputError(
                "mean [d], weights [d, n_bits] and bias [n_bits] do not fit: "
                f"{mean.shape}, {weights.shape}, {bias.shape}"
            )
        hasher = cls(weights.shape[1])
        hasher.n_bits_, hasher.n_features_in_ = weights.shape[1], len(mean)
        hasher.mean_, hasher.weights_, hasher.bias_ = mean, weights, bias
        return hasher

    @classmethod
    def of_network(cls, arrays: Mapping[str, NDArray[Any]]) -> Linear:
        """Return the hasher of the arrays :data:`NETWORK`, whose input is (x - mean) / scale."""
        mean, scale, weight, bias = (arrays[name] for name in NETWORK)
        return cls.of(mean, np.ascontiguousarray((weight / scale).T), bias)

    @classmethod
    def restored(cls, manifest: Manifest, folder: Path) -> Linear | None:
        """Rebuild what a saved deep hasher amounts to; None if its network is not linear."""
        try:
            if manifest["parameters"].get("backbone", "none of its own") is not None:
                return None
            arrays = load_file(folder / "state.safetensors")
            if {name for name in arrays if name.startswith("network.")} != set(NETWORK):
                return None
            linear = cls.of_network(arrays)
            if names := manifest["state"].get("feature_names_in_"):
                linear.feature_names_in_ = np.asarray(names, object)
            if frame := manifest["state"].get("frame_"):
                linear.frame_ = frame
        except Exception as error:
            raise FileError(f"{folder} is not a readable hasher: {error}") from error
        return linear

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        raise InputError("Linear is made with Linear.of(mean, weights, bias) and learns nothing")

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return super()._project(X) + self.bias_.astype(X.dtype)


def export_onnx(
    mean: NDArray[np.floating],
    weights: NDArray[np.floating],
    bias: NDArray[np.floating],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> None:
    """Write the graph ``X -> codes, scores`` of a linear hasher; ``X`` is float32 [n, d]."""
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "export") from error
    d, n_bits = weights.shape
    # A byte is its bits times their place values: sums up to 255, exact in float32.
    places = np.zeros((n_bits, n_bytes(n_bits)), np.float32)
    bit = np.arange(n_bits)
    places[bit, bit // 8] = 128 >> (bit % 8)
    constants = {
        "mean": mean, "weights": weights, "bias": bias, "zero": np.zeros(()), "places": places,
    }  # fmt: skip
    node, value, kind = onnx.helper.make_node, onnx.helper.make_tensor_value_info, onnx.TensorProto
    graph = onnx.helper.make_graph(
        [
            node("Sub", ["X", "mean"], ["centred"]),
            node("MatMul", ["centred", "weights"], ["products"]),
            node("Add", ["products", "bias"], ["scores"]),
            node("GreaterOrEqual", ["scores", "zero"], ["on"]),
            node("Cast", ["on"], ["bits"], to=kind.FLOAT),
            node("MatMul", ["bits", "places"], ["bytes"]),
            node("Cast", ["bytes"], ["codes"], to=kind.UINT8),
        ],
        "hammingbird",
        [value("X", kind.FLOAT, ["n", d])],
        [
            value("codes", kind.UINT8, ["n", n_bytes(n_bits)]),
            value("scores", kind.FLOAT, ["n", n_bits]),
        ],
        [
            onnx.numpy_helper.from_array(np.asarray(array, np.float32), name)
            for name, array in constants.items()
        ],
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=IR)
    with replacing(Path(path), overwrite) as temporary:
        onnx.save(model, temporary)
