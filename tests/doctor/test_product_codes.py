"""Product codes beside FAISS's own."""

import numpy as np
import pytest

from hammingbird.doctor.rivals import ProductCodes

faiss = pytest.importorskip("faiss")


@pytest.mark.parametrize("rotated", [False, True])
def test_codes_are_those_of_faiss(rotated):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 30)).astype(np.float32)  # no multiple of 4: columns are padded
    ours = ProductCodes(X[:600].astype(np.float16), 4, rotated=rotated)
    ours.add(X)
    rows = np.ascontiguousarray(np.pad(X, ((0, 0), (0, 2))))
    if rotated:
        rows = ours._rotation.apply(rows)
    theirs = faiss.IndexPQ(32, 4, 8)
    theirs.pq, theirs.is_trained = ours.index.pq, True
    theirs.add(rows)
    codes = [faiss.vector_to_array(index.codes) for index in (ours.index, theirs)]
    np.testing.assert_array_equal(*codes)
    assert (ours.search(X[:9], 7) == theirs.search(rows[:9], 7)[1]).all()
