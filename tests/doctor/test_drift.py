import numpy as np
import pytest

from hammingbird.doctor import drift
from hammingbird.doctor.drift import estimated_recall, new_rows, permutation_test
from hammingbird.errors import InputError


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch):
    monkeypatch.setattr(drift, "PERMUTATIONS", 199)


def draw(rng, n):
    """Heavy tails, dependent features, one constant."""
    base = rng.standard_t(3, (n, 4))
    return np.column_stack([base, np.sign(base), base[:, 0] * base[:, 1], np.ones(n)])


def test_false_alarms_are_as_rare_as_said():
    rng = np.random.default_rng(0)
    p = np.array([permutation_test(draw(rng, 60), draw(rng, 90), i)[0] for i in range(1000)])
    # 1 % of 1,000 draws: 3 to 20 alarms have a chance of 99.6 %.
    assert 3 <= (p <= 0.01).sum() <= 20
    assert 70 <= (p <= 0.1).sum() <= 130


def test_a_shift_is_found_and_named():
    rng = np.random.default_rng(0)
    old, new = draw(rng, 300), draw(rng, 300)
    new[:, 6] = -new[:, 6] * (rng.random(300) < 0.1) + np.abs(new[:, 6]) * (rng.random(300) < 0.8)
    p, feature = permutation_test(old, new, 0)
    assert p <= 0.01
    assert feature == 6


def test_new_rows_are_different_and_new():
    old = np.arange(40.0).reshape(20, 2)
    new = np.concatenate([old[:5], old[:3] + 0.5, old[:3] + 0.5])
    found = new_rows(new, old, 10, 0)
    assert found.tolist() == (old[:3] + 0.5).tolist()
    assert len(new_rows(new.astype(np.float32), old, 2, 0)) == 2
    with pytest.raises(InputError, match="0 of the 5 new rows are not in the old file"):
        new_rows(old[:5], old, 10, 0)
    with pytest.raises(InputError, match="must be as wide as the old ones, 2"):
        new_rows(old[:, :1], old, 10, 0)


def test_an_estimate_follows_what_tells_of_recall():
    rng = np.random.default_rng(0)
    hard = rng.random((500, 1))
    recall = (0.9 - 0.5 * hard[:, 0]) + 0.05 * rng.standard_normal(500)
    assert estimated_recall(hard, recall, hard) == pytest.approx(recall.mean(), abs=0.01)
    assert estimated_recall(hard, recall, np.full((10, 1), 0.9)) == pytest.approx(0.45, abs=0.02)
