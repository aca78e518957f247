"""The one contract: a hasher learns from vectors, projects to real scores and packs their signs."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from hammingbird import kernels
from hammingbird.codes import MAX_BITS, Codes, Output, check_n_bits, n_bytes, pack, presented
from hammingbird.errors import FileError, InputError
from hammingbird.estimator import Estimator, check_is_fitted
from hammingbird.finite import SCALE, Reach, check_scores, check_values
from hammingbird.inputs import as_rows, dense, is_sparse, is_torch_dataset
from hammingbird.storage import Manifest, save_folder
from hammingbird.targets import nearest_vectors

if TYPE_CHECKING:
    from typing_extensions import Self

CHUNK_VALUES = 1 << 22
"""Values of X that are converted at a time: 16 MiB of float32."""

SCORED = 1000
"""Rows that ``score`` takes for queries at most."""

TRIED = 256
"""Training rows whose scores are looked at after a fit, beside the one with the largest value."""

STATE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*[A-Za-z0-9]_")


class Hasher(Estimator, ABC):
    """Base of all hashers: a scikit-learn transformer from vectors [n, d] to packed codes.

    A method implements ``_fit`` and ``_project`` and keeps what it learned in attributes that end
    in an underscore: arrays, numbers and strings, which ``save`` finds by themselves. ``X`` may be
    any real array, memory-mapped or not, which is read in chunks of rows; or a data frame, an Arrow
    table or column of lists, a tensor, a torch Dataset (read into memory, but by deep methods), or
    a sparse matrix (see ``learns_sparse``).
    """

    n_bits: int | None
    feature_names_in_: NDArray[Any]
    """Names of the columns that were learned from, where they had some."""

    output: Output = "packed"
    """What ``transform`` gives; a method that takes it in its constructor lets it be set."""

    frame_: list[int]
    """What :attr:`frame` returns, where somebody set it after the fit."""

    takes_images: ClassVar[bool] = False
    """Whether ``fit`` wants images [n, h, w] or [n, h, w, c] as they are, not as vectors."""

    supervised: ClassVar[bool] = False
    """Whether ``fit`` needs ``y``."""

    learns_sparse: ClassVar[bool] = False
    """Whether ``_fit`` takes a CSR matrix; other methods refuse one."""

    projects_sparse: ClassVar[bool] = False
    """Whether ``_project`` takes a CSR matrix; others are given its rows as arrays, in chunks."""

    max_bits_rule: ClassVar[str] = ""
    """What to use instead when ``n_bits`` is above the method's own limit."""

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn from vectors ``X`` [n, d] and, if the method is supervised, targets ``y``.

        Raises :class:`InputError` if what was learned, or the scores it gives, are not finite.
        """
        self.__dict__.pop("frame_", None)
        X, reach = self._validated(X, first=True)
        with _naming(reach):
            self._fit(X, y)
        self._check_learned(X, reach)
        for name, array in self._get_state()[0].items():
            setattr(self, name, array)  # in C order, as a loaded one: BLAS rounds by memory order
        return self

    @property
    def frame(self) -> tuple[int, ...] | None:
        """Height and width, and 3 if coloured, of the pictures it was learned from; else None.

        A network knows by itself; others when ``frame_`` was set, as the command ``fit`` does.
        """
        shape: Any = getattr(self, "frame_", getattr(self, "input_shape_", None))
        whole = isinstance(shape, list) and all(type(size) is int and size > 0 for size in shape)
        if not whole or len(shape) not in (2, 3) or prod(shape) != self.n_features_in_:
            return None
        return tuple(shape[:2] if shape[2:] == [1] else shape)

    def project(self, X: ArrayLike) -> NDArray[np.floating]:
        """Return the real scores [n, n_bits] whose signs are the bits."""
        check_is_fitted(self)
        X = self._check(X, reset=False)
        scores = np.empty(
            (X.shape[0], self.n_bits_), np.float64 if X.dtype == np.float64 else np.float32
        )
        for chunk in row_chunks(X, sparse=self.projects_sparse):
            scores[chunk.start : chunk.stop] = self._scores(chunk.values, chunk.start)
        return scores

    def encode(self, X: ArrayLike) -> Codes:
        """Return packed codes, uint8 [n, ceil(n_bits / 8)], most significant bit first."""
        check_is_fitted(self)
        X = self._check(X, reset=False)
        codes = np.empty((X.shape[0], n_bytes(self.n_bits_)), np.uint8)
        for chunk in row_chunks(X, sparse=self.projects_sparse):
            codes[chunk.start : chunk.stop] = self._codes(chunk.values, chunk.start)
        return codes

    def asked(self, X: ArrayLike) -> NDArray[np.floating]:
        """Return what queries ``X`` [q, d] ask codes in an asymmetric search.

        That is the scores [q, n_bits], whose signed sums rank the codes, or, of methods whose bytes
        are numbers of centres, :meth:`tables`. ``kernels.scores`` and all that search take either.
        """
        return self.project(X)

    def questions(self, X: ArrayLike) -> tuple[Codes, NDArray[np.floating]]:
        """Return the codes of queries and what they ask: scores say both, tables do not."""
        asked = self.asked(X)
        return pack(asked) if asked.ndim == 2 else self.encode(X), asked

    def tables(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return look-up tables [q, bytes, 256]: what each value of a byte adds to a code's score.

        Larger is nearer. A method that knows more of its bytes than the scores of their bits gives
        its own.
        """
        return kernels.tables(self.project(X))

    def transform(self, X: ArrayLike) -> Any:
        """Return codes as ``output`` says, and in the container that ``set_output`` says.

        ``packed``, as they are searched and stored, is what :meth:`encode` gives. Other steps of a
        pipeline read bytes as numbers: for them, ``bits`` are 0 / 1, uint8 [n, n_bits], and
        ``signs`` are -1 / +1, float32 [n, n_bits].
        """
        return self._contained(presented(self.encode(X), self.n_bits_, self.output), X)

    def fit_transform(self, X: ArrayLike, y: Any = None) -> Any:
        """Fit, and return the codes of the same vectors."""
        return self.fit(X, y).transform(X)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Return how well codes rank held-out rows, from 0 to 1, for a search over parameters.

        Rows of ``X`` are searched among the other rows of ``X`` (a thousand of them, evenly spaced,
        where there are more); of the rows that were learned from nothing is kept. Without ``y``:
        the share of the ten nearest by Euclidean distance that are among the ten nearest codes.
        With labels [n] or label sets [n, c]: MAP. Ties count as their expected value.
        """
        from hammingbird.evaluation import evaluate  # not imported to encode

        codes = self.encode(X)
        n = len(codes)
        if n < 2:
            raise InputError(f"score needs at least two rows, got {n}")
        chosen = np.unique(np.linspace(0, n - 1, SCORED).astype(int))
        options: dict[str, Any] = {"n_bits": self.n_bits_, "self_rows": chosen}
        if y is not None:
            y = np.asarray(y)
            if y.ndim not in (1, 2) or len(y) != n:
                raise InputError(f"score needs a label for each of {n} rows, got {y.shape}")
            labels = {"query_labels": y[chosen], "database_labels": y}
            return evaluate(codes[chosen], codes, metrics=["map"], **labels, **options)["map"]
        rows = dense(self._check(X, reset=False))
        k = min(10, n - 1)
        near = nearest_vectors(rows[chosen], rows, k, exclude=chosen)
        name = f"recall{k}@{k}"
        return evaluate(codes[chosen], codes, neighbors=near, metrics=[name], **options)[name]

    @abstractmethod
    def _fit(self, X: NDArray[Any], y: Any) -> None:
        """Learn from validated, finite ``X`` [n, d] of any real dtype; ``n_bits_`` is set.

        ``X`` is an array or, with ``learns_sparse``, perhaps a CSR matrix.
        """

    @abstractmethod
    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        """Scores [n, n_bits] of a chunk of finite float rows [n, d]."""

    def _max_bits(self, n_features: int) -> int:
        """Most bits the method can give for vectors of this width."""
        return MAX_BITS

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write ``hasher.json`` and ``state.safetensors`` into a new folder.

        Raises :class:`FileError` if the folder exists (unless ``overwrite`` and it is a hasher).
        """
        check_is_fitted(self)
        arrays, values = self._get_state()
        parameters = self._parameters()
        try:
            json.dumps(parameters)
        except TypeError as error:
            raise InputError(
                f"cannot save {type(self).__name__}: its parameters must be numbers, strings or "
                f"None ({error}); use an integer random_state"
            ) from error
        manifest: Manifest = {
            "class": type(self).__name__,
            "parameters": parameters,
            "n_bits": self.n_bits_,
            "state": values,
        }
        if is_outside(type(self)):  # whose name may be that of a class of this library
            manifest["module"] = type(self).__module__
        save_folder(
            folder,
            "hasher",
            manifest,
            lambda temporary: _write_tensors(
                {**arrays, **self._weights()}, temporary / "state.safetensors"
            ),
            overwrite=overwrite,
        )

    @classmethod
    def _restore(cls, manifest: Manifest, folder: Path) -> Self:
        """Rebuild a fitted hasher of this class from what ``save`` wrote."""
        try:
            hasher = cls(**manifest["parameters"])
            arrays = load_file(folder / "state.safetensors")
            for name, value in {**manifest["state"], **hasher._take_weights(arrays)}.items():
                if not STATE_NAME.fullmatch(name) or hasattr(cls, name):
                    raise ValueError(f"{name!r} is not a learned attribute")
                setattr(hasher, name, value)
            hasher.n_bits_ = check_n_bits(manifest["n_bits"])
            if hasattr(hasher, "feature_names_in_"):
                hasher.feature_names_in_ = np.asarray(hasher.feature_names_in_, object)
        except FileError:
            raise
        except Exception as error:
            raise FileError(f"{folder} is not a readable {cls.__name__}: {error}") from error
        return hasher

    def _parameters(self) -> dict[str, Any]:
        """Constructor arguments to save."""
        parameters: dict[str, Any] = self.get_params(deep=False)
        return parameters

    def _weights(self) -> dict[str, NDArray[Any]]:
        """Arrays to save that are no attributes, such as a network's."""
        return {}

    def _take_weights(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Take what ``_weights`` saved out of ``arrays``; return the rest."""
        return arrays

    def _get_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Split the learned attributes into arrays and JSON values."""
        arrays: dict[str, NDArray[Any]] = {}
        values: dict[str, Any] = {}
        for name, value in vars(self).items():
            if not STATE_NAME.fullmatch(name):
                continue
            if name == "feature_names_in_":
                values[name] = [str(feature) for feature in value]
            elif isinstance(value, np.ndarray):
                arrays[name] = np.ascontiguousarray(value)
            else:
                values[name] = value.item() if isinstance(value, np.generic) else value
        return arrays, values

    def _validated(self, X: ArrayLike, *, first: bool) -> tuple[NDArray[Any], Reach]:
        """Check training vectors; the first ones decide the width and the number of bits."""
        X = self._check(X, reset=first)
        if is_sparse(X) and not self.learns_sparse:
            raise InputError(
                f"{type(self).__name__} does not learn from sparse vectors: use LSH, PCAHash, "
                "RotatedPCA or ITQ, or reduce them first, for instance with TruncatedSVD"
            )
        presented(np.empty((0, 1), np.uint8), 8, self.output)
        seed = getattr(self, "random_state", None)
        if isinstance(seed, int) and not 0 <= seed < 1 << 32:
            raise InputError(f"random_state must be from 0 to 2^32 - 1, got {seed}")
        if first:
            limit = self._max_bits(X.shape[1])
            self.n_bits_ = (
                min(limit, X.shape[1]) if self.n_bits is None else check_n_bits(self.n_bits)
            )
            if self.n_bits_ > limit:
                message = (
                    f"{type(self).__name__} gives at most {limit} bits for "
                    f"n_features={X.shape[1]}, got n_bits={self.n_bits_}. {self.max_bits_rule}"
                )
                raise InputError(message.strip())
        reach = Reach()
        for chunk in row_chunks(X, sparse=True):
            check_values(chunk.values, chunk.start)
            reach.see(chunk.values, chunk.start)
        reach.check()
        return X, reach

    def _check_learned(self, X: NDArray[Any], reach: Reach) -> None:
        """Refuse what was learned if it, or scores of some training rows, are not finite."""
        arrays, values = self._get_state()
        learned = {**arrays, **self._weights(), **values}
        rows = np.unique([*np.linspace(0, X.shape[0] - 1, TRIED).astype(int), reach.row])
        some = Chunk(X[rows], 0, len(rows), sparse=self.projects_sparse).values
        with np.errstate(all="ignore"):
            scores = learned["scores"] = self._project(some)
        for name, value in learned.items():
            numbers = isinstance(value, float | np.ndarray) and np.asarray(value).dtype.kind == "f"
            if numbers and not np.isfinite(value).all():
                raise InputError(
                    f"{type(self).__name__} learned {name} that are not finite. {reach}: "
                    f"{SCALE}, or check the parameters"
                )
        if reach.is_usual or not (pack(scores) == pack(scores[:1])).all():
            return
        some = dense(some)
        if (some != some[0]).any():
            raise InputError(
                f"{type(self).__name__} gives the same code to all training vectors. "
                f"{reach}: {SCALE}"
            )

    def _check(self, X: Any, *, reset: bool) -> NDArray[Any]:
        """Return ``X`` as an array [n, d] of numbers or as CSR; the first one sets the width.

        The one gate of ``fit``, ``project``, ``encode`` and ``score``.
        """
        rows = as_rows(X)
        if is_torch_dataset(X):
            rows = rows.reshape(len(rows), -1)
        plain = type(rows) in (np.ndarray, np.memmap) or is_sparse(rows)
        plain = plain and rows.ndim == 2 and 0 not in rows.shape and rows.dtype.kind in "biuf"
        if not plain or (hasattr(self, "feature_names_in_") and not reset):
            return self._validate(rows, reset)
        if reset:
            self.__dict__.pop("feature_names_in_", None)
            self.n_features_in_ = rows.shape[1]
        elif rows.shape[1] != self.n_features_in_:
            raise InputError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        checked: NDArray[Any] = rows
        return checked

    def _validate(self, X: Any, reset: bool) -> NDArray[Any]:
        """Let scikit-learn read what is no plain array, names of columns too, or refuse it."""
        from sklearn.utils.validation import validate_data

        options = {"dtype": "numeric", "accept_sparse": "csr", "ensure_all_finite": False}
        try:
            checked: NDArray[Any] = validate_data(self, X, reset=reset, **options)
        except ValueError as error:
            raise InputError(str(error)) from error
        return checked

    def _codes(self, X: NDArray[np.floating], first_row: int) -> Codes:
        """Codes of a chunk of float rows; a method may have a shorter way than the scores."""
        return pack(self._scores(X, first_row))

    def _scores(self, X: NDArray[np.floating], first_row: int) -> NDArray[np.floating]:
        """Scores of a chunk of float rows, both checked."""
        check_values(X, first_row)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self._project(X)
        if scores.shape != (X.shape[0], self.n_bits_):
            raise InputError(
                f"{type(self).__name__}._project must give scores [{X.shape[0]}, {self.n_bits_}], "
                f"it gave {scores.shape}"
            )
        return check_scores(scores, first_row)

    @property
    def _n_features_out(self) -> int:
        return n_bytes(self.n_bits_) if self.output == "packed" else self.n_bits_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.learns_sparse
        tags.target_tags.required = self.supervised
        return tags


def _write_tensors(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """Write arrays; a disk that fills is an error of the operating system, as elsewhere."""
    try:
        save_file(arrays, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def is_outside(hasher_class: type[Hasher]) -> bool:
    """Whether a class is of another package, or of nobody's."""
    return hasher_class.__module__.partition(".")[0] != __name__.partition(".")[0]


class Chunk:
    """Consecutive rows of a larger matrix as floats: double precision stays, the rest is single.

    With ``sparse``, rows of a CSR matrix stay one.
    """

    def __init__(self, X: NDArray[Any], start: int, stop: int, *, sparse: bool = False) -> None:
        self.start = start
        self.stop = min(stop, X.shape[0])
        dtype = np.float64 if X.dtype == np.float64 else np.float32
        rows: Any = X[start:stop]
        if not is_sparse(rows):
            rows = np.asarray(rows, dtype)
        elif sparse:
            rows = rows.astype(dtype)
        else:
            rows = rows.toarray().astype(dtype, copy=False)
        self.values: NDArray[np.floating] = rows


def row_chunks(X: Any, *, sparse: bool = False) -> Iterator[Chunk]:
    """Cut ``X`` [n, d] into chunks of about 16 MiB; with ``sparse``, CSR stays CSR."""
    width = X.shape[1]
    if sparse and is_sparse(X):
        width = X.nnz // X.shape[0]
    step = max(1, CHUNK_VALUES // max(1, width))
    for start in range(0, X.shape[0], step):
        yield Chunk(X, start, start + step, sparse=sparse)


@contextmanager
def _naming(reach: Reach) -> Iterator[None]:
    """Let a fit overflow in silence, and name the size of X beside an error that it may have made.

    What was learned is checked afterwards.
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except (ArithmeticError, RuntimeError, ValueError) as error:  # an InputError is a ValueError
        if reach.is_usual:
            raise
        raise InputError(f"{error}. {reach}: {SCALE}") from error
