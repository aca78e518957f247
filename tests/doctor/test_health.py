import numpy as np
import pytest

from hammingbird.codes import pack
from hammingbird.doctor.bits import examine_bits
from hammingbird.doctor.vectors import check_finite, examine_vectors
from hammingbird.errors import InputError


@pytest.fixture
def cloud():
    return np.random.default_rng(0).standard_normal((1500, 12)).astype(np.float32)


def findings(X):
    return {finding.name: finding for finding in examine_vectors(X, 0)}


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def test_a_cloud_is_healthy(cloud):
    found = findings(unit(cloud))
    assert [f.name for f in found.values() if f.advice] == []
    assert found["effective rank"].value == pytest.approx(12, abs=0.3)
    assert "the same" in found["norms"].seen


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("duplicates", lambda X: np.concatenate([X, X[:30]])),
        ("norms", lambda X: X * np.exp(np.random.default_rng(1).normal(size=(len(X), 1)))),
        ("mean", lambda X: X + 3),
        ("effective rank", lambda X: X * np.array([1.0] * 2 + [0.01] * 10)),
        ("largest directions", lambda X: X * np.array([5.0] + [1] * 11)),
        ("dead dimensions", lambda X: np.hstack([X, np.full((len(X), 1), 7)])),
        ("repeated dimensions", lambda X: np.hstack([X, -2 * X[:, :1]])),
        ("hubs", lambda X: np.random.default_rng(1).standard_normal((1500, 300))),
    ],
)
def test_what_ails_is_named(cloud, name, spoil):
    finding = findings(spoil(cloud))[name]
    assert finding.advice, finding


def test_figures(cloud):
    found = findings(np.hstack([np.concatenate([cloud, cloud[:500]]), np.ones((2000, 1))]))
    assert found["duplicates"].value == pytest.approx(0.25)
    assert "500 of 2,000 rows (25.0%)" in found["duplicates"].seen
    assert "1 of 13 dimensions never change (12)" in found["dead dimensions"].seen
    norms = findings(cloud * np.linspace(0.1, 10, 1500)[:, None])["norms"]
    assert norms.value < 0.8
    assert "np.linalg.norm" in norms.advice


def test_rows_that_are_not_finite(cloud):
    check_finite(cloud)
    check_finite(np.ones((3, 2), int))
    cloud[4, 3], cloud[9, 0] = np.nan, np.inf
    with pytest.raises(InputError, match=r"2 of 1,500 rows hold NaN or infinity.* is row 4: leave"):
        check_finite(cloud)


def test_bits():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((2000, 32))
    assert not any(finding.advice for finding in examine_bits(pack(scores), 32, 0))
    uneven = examine_bits(pack(scores + 2), 32, 0)
    assert uneven[0].advice
    repeated = examine_bits(pack(np.repeat(scores[:, :4], 8, axis=1)), 32, 0)
    assert [bool(finding.advice) for finding in repeated] == [False, True, True]
    assert "16 different codes" in repeated[2].seen
