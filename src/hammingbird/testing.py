"""The contract of hashers as checks: this library holds its own to it, and packages theirs.

``check_hasher(MyHasher)`` in a test of a package runs all of them.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hammingbird import catalog
from hammingbird import hasher as module
from hammingbird.codes import n_bytes, pack, unpack
from hammingbird.errors import InputError
from hammingbird.hasher import Hasher
from hammingbird.outside import outside

Make: TypeAlias = Callable[[int], Hasher]
"""Builds an unfitted hasher of a number of bits; equal ones each time."""

WIDTH, BITS, CLASSES = 20, 12, 6


def check_hasher(hasher: Hasher | type[Hasher]) -> None:
    """Hold a hasher, or the default one of a class, to the contract.

    It is copied, given several lengths and the seed 0, and fitted to 300 vectors of width 20 with
    labels of six classes; one that is quick to fit is checked in seconds. Raises ``AssertionError``
    with the promise that was broken.
    """
    make = partial(outside(hasher).make, random_state=0)
    for check in CHECKS:
        _hold(hasher, check, make)


def vectors() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """300 vectors of width 20 around six centres, with labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, 300)
    X = 3 * rng.standard_normal((CLASSES, WIDTH))[y] + rng.standard_normal((300, WIDTH))
    return X + 1.0, y


def check_codes(make: Make) -> None:
    """Codes are the packed signs of the scores, at every length that the method gives."""
    X, y = vectors()
    for n_bits in (1, 7, 8, 12, 20):
        try:
            hasher = make(n_bits).fit(X, y)
        except InputError:  # that a length is refused is no broken promise
            _require(n_bits != BITS, f"{BITS} bits must be possible")
            continue
        scores, codes = hasher.project(X), hasher.transform(X)
        _require(scores.shape == (len(X), n_bits), f"scores are {scores.shape}")
        _require(codes.shape == (len(X), n_bytes(n_bits)), f"codes are {codes.shape}")
        _require(codes.dtype == np.uint8, f"codes are {codes.dtype}")
        _same(codes, pack(scores))


def check_saving(make: Make) -> None:
    """A saved hasher is loaded with the same parameters, scores and codes."""
    X, y = vectors()
    hasher = make(BITS).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        hasher.save(Path(folder) / "model")
        loaded = catalog.load(Path(folder) / "model", classes=[type(hasher)])
    _require(type(loaded) is type(hasher), f"a {type(loaded).__name__} was loaded")
    _require(loaded.get_params() == hasher.get_params(), "parameters differ")
    _same(loaded.project(X), hasher.project(X))
    _same(loaded.transform(X), hasher.transform(X))


def check_seed(make: Make) -> None:
    """The same seed gives the same codes, and a hasher is fitted again as if it were new."""
    X, y = vectors()
    hasher = make(BITS).fit(X, y)
    codes = hasher.transform(X)
    _same(make(BITS).fit(X, y).transform(X), codes)
    _same(hasher.fit(X, y).transform(X), codes)


def check_types(make: Make) -> None:
    """Single and double precision, memory maps, column order and lists agree."""
    X, y = vectors()
    X = X.astype(np.float32)
    hasher = make(BITS).fit(X, y)
    clear = np.abs(hasher.project(X.astype(np.float64))) > 1e-4
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "X.npy", X)
        mapped = np.load(Path(folder) / "X.npy", mmap_mode="r")
        _same(hasher.transform(mapped), hasher.transform(X))
        for other in (X.astype(np.float64), mapped, np.asfortranarray(X), X.tolist()):
            codes = make(BITS).fit(other, y).transform(other)
            same = unpack(codes, BITS) == unpack(hasher.transform(X), BITS)
            _require(bool(same[clear].all()), "bits differ")
        del mapped


def check_whole_numbers(make: Make) -> None:
    """Bytes are learned from and encoded as the floats they stand for."""
    X, y = vectors()
    pixels = np.clip(X * 10 + 100, 0, 255).astype(np.uint8)
    hasher = make(BITS).fit(pixels, y)
    _same(hasher.transform(pixels), hasher.transform(pixels.astype(np.float32)))


def check_rows_alone(make: Make) -> None:
    """A row's code does not depend on the rows beside it, nor on how rows are cut into chunks."""
    X, y = vectors()
    hasher = make(BITS).fit(X, y)
    together = hasher.transform(X)
    _same(hasher.transform(X[:1]), together[:1])
    with _chunks_of(7):
        _same(hasher.transform(X), together)


def check_constant_column(make: Make) -> None:
    """A column that never changes gives finite scores."""
    X, y = vectors()
    X[:, 3] = 5.0
    scores = make(BITS).fit(X, y).project(X)
    _require(bool(np.isfinite(scores).all()), "scores are not finite")


def check_not_finite(make: Make) -> None:
    """NaN and infinity are refused with their row and column, in fit and in transform."""
    X, y = vectors()
    hasher = make(BITS).fit(X, y)
    for value, word in ((np.nan, "NaN"), (np.inf, "infinity")):
        bad = X.copy()
        bad[17, 4] = value
        for call in (partial(make(BITS).fit, bad, y), partial(hasher.transform, bad)):
            _refuses(call, f"{word} in row 17, column 4")


def check_width(make: Make) -> None:
    """Another width than that of fit is refused, and so are arrays without rows or columns."""
    X, y = vectors()
    hasher = make(BITS).fit(X, y)
    _refuses(lambda: hasher.transform(X[:, :5]), "features")
    _refuses(lambda: make(BITS).fit(X[:0], y[:0]), "0 sample")
    _refuses(lambda: make(BITS).fit(X[:, :0], y), "0 feature")


def check_lengths(make: Make) -> None:
    """Numbers of bits that cannot be are refused."""
    X, y = vectors()
    for n_bits in (0, -3, 4097, 2.5, "16", True):
        _refuses(partial(make(BITS).set_params(n_bits=n_bits).fit, X, y), "n_bits must be")


def check_output(make: Make) -> None:
    """With ``output``, transform gives bits or signs; encode stays packed."""
    X, y = vectors()
    hasher = make(BITS).fit(X, y)
    codes = hasher.encode(X)
    if "output" not in hasher.get_params():
        return
    bits = hasher.set_params(output="bits").transform(X)
    signs = hasher.set_params(output="signs").transform(X)
    _same(hasher.encode(X), codes)
    _same(np.packbits(bits, axis=1), codes)
    _same(signs, unpack(codes, BITS))
    _require(len(hasher.get_feature_names_out()) == BITS, "a column has no name")
    _refuses(lambda: hasher.set_params(output="bytes").fit(X, y), "output must be")


def check_sparse(make: Make) -> None:
    """Sparse rows are learned from or refused, and encoded as the array they stand for."""
    from scipy.sparse import csr_array

    X, y = vectors()
    X = np.where(np.abs(X) > 1, X, 0)
    if not make(BITS).learns_sparse:
        _refuses(lambda: make(BITS).fit(csr_array(X), y), "sparse")
    hasher = make(BITS).fit(X, y)
    scores = hasher.project(X)
    reach = float(np.abs(scores).max())
    np.testing.assert_allclose(hasher.project(csr_array(X)), scores, atol=1e-5 * reach)
    if hasher.learns_sparse:
        found = make(BITS).fit(csr_array(X), y).project(X)
        same = float(np.mean((found >= 0) == (scores >= 0)))
        _require(same > 0.98, f"of the bits, {same:.3f} are those learned from an array")


def check_scikit_learn(make: Make) -> None:
    """Clones, pipelines, data frames and searches over parameters work, and score is in [0, 1]."""
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = vectors()
    pipeline = make_pipeline(StandardScaler(), make(BITS))
    codes = clone(pipeline).fit(X, y).transform(X)
    _require(codes.shape == (len(X), n_bytes(BITS)), f"codes are {codes.shape}")
    search = GridSearchCV(make(BITS), {"n_bits": [BITS, 16]}, cv=2, error_score="raise").fit(X, y)
    _require(0 <= search.best_score_ <= 1, f"score is {search.best_score_}")
    hasher = make(BITS).fit(X, y)
    _require(0 <= hasher.score(X) <= 1, "score is not a share")


def check_scikit_learns_own(make: Make) -> None:
    """The checks of scikit-learn for estimators pass."""
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not inherit from", UserWarning)
        results = check_estimator(make(2), on_skip=None, on_fail=None)
    failed = [f"{r['check_name']}: {r['exception']}" for r in results if r["status"] == "failed"]
    _require(not failed, "; ".join(failed))


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_codes, check_saving, check_seed, check_types, check_whole_numbers, check_rows_alone,
    check_constant_column, check_not_finite, check_width, check_lengths, check_output,
    check_sparse, check_scikit_learn, check_scikit_learns_own,
)  # fmt: skip
"""Every check: each takes what makes a hasher."""


def _hold(hasher: Hasher | type[Hasher], check: Callable[[Make], None], make: Make) -> None:
    try:
        check(make)
    except Exception as error:
        promise = (check.__doc__ or "").strip().partition("\n")[0]
        raise AssertionError(f"{hasher!r} broke {check.__name__}: {promise} {error}") from error


def _require(kept: bool, why: str) -> None:
    if not kept:
        raise AssertionError(why)


def _same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found, expected)


def _refuses(call: Callable[[], Any], words: str) -> None:
    try:
        call()
    except InputError as error:
        _require(words in str(error), f"the error should say {words!r}: {error}")
    else:
        raise AssertionError(f"nothing was refused, an InputError should say {words!r}")


@contextmanager
def _chunks_of(rows: int) -> Iterator[None]:
    before = module.CHUNK_VALUES
    module.CHUNK_VALUES = rows * WIDTH
    try:
        yield
    finally:
        module.CHUNK_VALUES = before
