"""The one contract: a hasher learns from vectors, projects to real scores and packs their signs."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from hammingbird.codes import MAX_BITS, Codes, check_n_bits, n_bytes, pack
from hammingbird.errors import FileError, InputError
from hammingbird.finite import SCALE, Reach, check_scores, check_values
from hammingbird.storage import Manifest, save_folder

if TYPE_CHECKING:
    from typing_extensions import Self

CHUNK_VALUES = 1 << 22
"""Values of X that are converted at a time: 16 MiB of float32."""

TRIED = 256
"""Training rows whose scores are looked at after a fit, beside the one with the largest value."""

STATE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*[A-Za-z0-9]_")


class Hasher(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """Base of all hashers: a scikit-learn transformer from vectors [n, d] to packed codes.

    A method implements ``_fit`` and ``_project`` and keeps what it learned in attributes that end
    in an underscore: arrays, numbers and strings, which ``save`` finds by themselves. ``X`` may be
    any real array, memory-mapped or not; it is read in chunks of rows.
    """

    n_bits: int | None

    takes_images: ClassVar[bool] = False
    """Whether ``fit`` wants images [n, h, w] or [n, h, w, c] as they are, not as vectors."""

    supervised: ClassVar[bool] = False
    """Whether ``fit`` needs ``y``."""

    max_bits_rule: ClassVar[str] = ""
    """What to use instead when ``n_bits`` is above the method's own limit."""

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn from vectors ``X`` [n, d] and, if the method is supervised, targets ``y``.

        Raises :class:`InputError` if what was learned, or the scores it gives, are not finite.
        """
        X, reach = self._validated(X, first=True)
        with _naming(reach):
            self._fit(X, y)
        self._check_learned(X, reach)
        for name, array in self._get_state()[0].items():
            setattr(self, name, array)  # in C order, as a loaded one: BLAS rounds by memory order
        return self

    def project(self, X: ArrayLike) -> NDArray[np.floating]:
        """Return the real scores [n, n_bits] whose signs are the bits."""
        check_is_fitted(self)
        X = self._check(X, reset=False)
        scores = np.empty(
            (len(X), self.n_bits_), np.float64 if X.dtype == np.float64 else np.float32
        )
        for chunk in row_chunks(X):
            scores[chunk.start : chunk.stop] = self._scores(chunk.values, chunk.start)
        return scores

    def transform(self, X: ArrayLike) -> Codes:
        """Return packed codes, uint8 [n, ceil(n_bits / 8)], most significant bit first."""
        check_is_fitted(self)
        X = self._check(X, reset=False)
        codes = np.empty((len(X), n_bytes(self.n_bits_)), np.uint8)
        for chunk in row_chunks(X):
            codes[chunk.start : chunk.stop] = pack(self._scores(chunk.values, chunk.start))
        return codes

    @abstractmethod
    def _fit(self, X: NDArray[Any], y: Any) -> None:
        """Learn from validated, finite ``X`` [n, d] of any real dtype; ``n_bits_`` is set."""

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
        for chunk in row_chunks(X):
            check_values(chunk.values, chunk.start)
            reach.see(chunk.values, chunk.start)
        reach.check()
        return X, reach

    def _check_learned(self, X: NDArray[Any], reach: Reach) -> None:
        """Refuse what was learned if it, or scores of some training rows, are not finite."""
        arrays, values = self._get_state()
        learned = {**arrays, **self._weights(), **values}
        rows = np.unique([*np.linspace(0, len(X) - 1, TRIED).astype(int), reach.row])
        some = Chunk(X[rows], 0, len(rows)).values
        with np.errstate(all="ignore"):
            scores = learned["scores"] = self._project(some)
        for name, value in learned.items():
            numbers = isinstance(value, float | np.ndarray) and np.asarray(value).dtype.kind == "f"
            if numbers and not np.isfinite(value).all():
                raise InputError(
                    f"{type(self).__name__} learned {name} that are not finite. {reach}: "
                    f"{SCALE}, or check the parameters"
                )
        same = (pack(scores) == pack(scores[:1])).all() and (some != some[0]).any()
        if same and not reach.is_usual:
            raise InputError(
                f"{type(self).__name__} gives the same code to all training vectors. "
                f"{reach}: {SCALE}"
            )

    def _check(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]:
        try:
            checked: NDArray[Any] = validate_data(
                self, X, reset=reset, dtype="numeric", ensure_all_finite=False
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        return checked

    def _scores(self, X: NDArray[np.floating], first_row: int) -> NDArray[np.floating]:
        """Scores of a chunk of float rows, both checked."""
        check_values(X, first_row)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self._project(X)
        if scores.shape != (len(X), self.n_bits_):
            raise InputError(
                f"{type(self).__name__}._project must give scores [{len(X)}, {self.n_bits_}], "
                f"it gave {scores.shape}"
            )
        return check_scores(scores, first_row)

    @property
    def _n_features_out(self) -> int:
        return n_bytes(self.n_bits_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
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
    """Consecutive rows of a larger matrix as floats: double precision stays, the rest is single."""

    def __init__(self, X: NDArray[Any], start: int, stop: int) -> None:
        self.start = start
        self.stop = min(stop, len(X))
        dtype = np.float64 if X.dtype == np.float64 else np.float32
        self.values: NDArray[np.floating] = np.asarray(X[start:stop], dtype)


def row_chunks(X: NDArray[Any]) -> Iterator[Chunk]:
    """Cut ``X`` [n, d] into chunks of about 16 MiB."""
    step = max(1, CHUNK_VALUES // max(1, X.shape[1]))
    for start in range(0, len(X), step):
        yield Chunk(X, start, start + step)


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
