import numpy as np
import pytest

from hammingbird.doctor.estimates import extrapolate, share_kept


def test_a_mean_and_its_interval():
    values = np.array([0.0, 0.5, 1.0, 0.5, np.nan])
    kept = share_kept(values)
    half = 1.959964 * np.std([0, 0.5, 1, 0.5], ddof=1) / 2
    assert kept == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_a_share_of_a_ceiling_is_paired():
    ceiling = np.random.default_rng(0).uniform(0.2, 1, 500)
    kept = share_kept(0.9 * ceiling, ceiling)
    assert kept == pytest.approx((0.9, 0.9, 0.9))


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        kept = share_kept(rng.binomial(10, 0.9, 400) / 10)
        inside += kept.low <= 0.9 <= kept.high
    assert 0.93 <= inside / 2000 <= 0.97


def test_a_law_goes_on():
    def share(n):
        return 1 - np.exp(-20 * n**-0.3)

    sizes = [1000, 4000, 16000]
    found = extrapolate(sizes, [np.full(50, share(n)) for n in sizes], [160_000, 1_600_000])
    assert [e.value for e in found] == pytest.approx([share(160_000), share(1_600_000)])


def test_an_extrapolation_of_all_or_nothing_is_finite():
    for value in (0.0, 1.0):
        (found,) = extrapolate([100, 400], [np.full(20, value)] * 2, [10_000])
        assert found.value == pytest.approx(value, abs=0.01)
