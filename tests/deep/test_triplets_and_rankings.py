"""Triplet, ranking, Cauchy, balance and classification formulas against slow twins."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from hammingbird import InputError
from hammingbird.deep.objective import Batch, Problem
from hammingbird.deep.objectives.balance import Balance
from hammingbird.deep.objectives.cauchy import (
    EPSILON,
    CauchyLikelihood,
    CauchyQuantization,
)
from hammingbird.deep.objectives.classification import Classification
from hammingbird.deep.objectives.cosine_matching import CosineMatching
from hammingbird.deep.objectives.ranking import RankingHinge, WeightedTriplets
from hammingbird.deep.objectives.triplet import TripletHinge, TripletLikelihood
from hammingbird.deep.relaxations import PiecewiseSigmoid, sign

pytestmark = pytest.mark.deep

M, K, C = 14, 6, 4


@pytest.fixture
def codes():
    torch.manual_seed(0)
    return torch.randn(M, K, dtype=torch.float64).tanh()


@pytest.fixture(params=["labels", "label sets"])
def y(request):
    torch.manual_seed(1)
    if request.param == "labels":
        labels = torch.randint(C, (M,))
        labels[2] = -1
        return labels
    sets = torch.rand(M, C) < 0.4
    sets[2] = False
    return sets


def batch(codes, y=None, **more):
    return Batch(logits=codes, outputs=codes, index=torch.arange(M), y=y, **more)


def shared(y, i, j):
    """Labels that two rows have in common, None where one has no label."""
    if y.ndim == 1:
        return None if y[i] < 0 or y[j] < 0 else int(y[i] == y[j])
    return None if not y[i].any() or not y[j].any() else int((y[i] & y[j]).sum())


def triplets(y):
    return [
        (a, p, n)
        for a in range(M)
        for p in range(M)
        for n in range(M)
        if a != p and a != n and shared(y, a, p) and shared(y, a, n) == 0
    ]


def squared(codes, i, j, weights=None):
    weights = torch.ones(K) if weights is None else weights
    return sum(float(weights[k] * (codes[i, k] - codes[j, k]) / 2) ** 2 for k in range(K))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


class TestTriplets:
    def test_likelihood(self, codes, y):
        def loss(a, p, n):
            gap = float(codes[a] @ codes[p] - codes[a] @ codes[n]) / 2 - K / 2
            return math.log(1 + math.exp(-gap))

        expected = mean(loss(*t) for t in triplets(y))
        assert float(TripletLikelihood()(batch(codes, y))) == pytest.approx(expected)

    def test_hinge(self, codes, y):
        expected = mean(
            max(0, squared(codes, a, p) - squared(codes, a, n) + 0.7) for a, p, n in triplets(y)
        )
        assert float(TripletHinge(0.7)(batch(codes, y))) == pytest.approx(expected)

    def test_given_triplets(self, codes):
        given = torch.tensor([[0, 1, 2], [5, 3, 9], [0, 4, 7]])
        expected = mean(
            max(0, squared(codes, a, p) - squared(codes, a, n) + 1) for a, p, n in given.tolist()
        )
        value = TripletHinge()(batch(codes, given_triplets=given))
        assert float(value) == pytest.approx(expected)

    def test_a_part_of_the_pairs_is_an_unbiased_estimate(self, codes):
        y = torch.arange(M) % 2  # every pair has as many triplets as any other
        exact = float(TripletLikelihood()(batch(codes, y)))
        torch.manual_seed(0)
        few = [float(TripletLikelihood(max_pairs=5)(batch(codes, y))) for _ in range(400)]
        assert mean(few) == pytest.approx(exact, rel=0.05)
        assert len(set(few)) > 100

    @pytest.mark.parametrize("bad", [{"margin": -1.0}, {"max_pairs": 0}])
    def test_bad_parameters(self, bad):
        with pytest.raises(InputError):
            TripletHinge(**bad)


class TestRankings:
    def test_hinge_weighted_as_in_ndcg(self, codes, y):
        total = weight = 0.0
        for a in range(M):
            levels = [shared(y, a, j) or 0 for j in range(M)]
            levels[a] = 0
            best = sum(
                (2**r - 1) / math.log2(place + 2)
                for place, r in enumerate(sorted(levels, reverse=True))
            )
            for i in range(M):
                for j in range(M):
                    known = shared(y, a, j) is not None and a != j
                    if i != a and known and levels[i] > levels[j]:
                        w = (2 ** levels[i] - 2 ** levels[j]) / best
                        d_i, d_j = ((K - float(codes[a] @ codes[x])) / 2 for x in (i, j))
                        total += w * max(0, 1.5 + d_i - d_j)
                        weight += w
        assert float(RankingHinge(1.5)(batch(codes, y))) == pytest.approx(total / weight)

    def test_weighted_triplets_and_laplacian(self, codes, y):
        objective = WeightedTriplets(1.0, laplacian=0.3)
        objective.prepare(Problem(n_rows=M, n_bits=K, n_features=1))
        weights = torch.tensor([2.0, 0.5, 1.0, -1.5, 0.0, 1.0], dtype=torch.float64)
        objective.bit_weights.data = weights
        hinge = mean(
            max(0, squared(codes, a, p, weights) - squared(codes, a, n, weights) + 1)
            for a, p, n in triplets(y)
        )
        close = mean(
            squared(codes, i, j, weights)
            for i in range(M)
            for j in range(M)
            if i != j and shared(y, i, j)
        )
        assert float(objective(batch(codes, y)).detach()) == pytest.approx(hinge + 0.3 * close)
        assert objective.bit_order.tolist() == [0, 3, 2, 5, 1, 4]


class TestCauchy:
    def slow(self, codes, y, gamma, balanced):
        near, far = [], []
        for i in range(M):
            for j in range(M):
                if i == j or shared(y, i, j) is None:
                    continue
                cosine = float(codes[i] @ codes[j] / codes[i].norm() / codes[j].norm())
                d = K / 2 * (1 - cosine)
                if shared(y, i, j):
                    near.append(math.log(d / gamma) + math.log(1 + gamma / d))
                else:
                    far.append(math.log(1 + gamma / (d + EPSILON)))
        return (mean(near) + mean(far)) / 2 if balanced else mean(near + far)

    @pytest.mark.parametrize("balanced", [True, False])
    def test_likelihood(self, codes, y, balanced):
        value = CauchyLikelihood(3.0, balanced=balanced)(batch(codes, y))
        assert float(value) == pytest.approx(self.slow(codes, y, 3.0, balanced))

    def test_quantization(self, codes):
        def loss(u):
            cosine = sum(abs(float(x)) for x in u) / float(u.norm()) / math.sqrt(K)
            return math.log(1 + K / 2 * (1 - cosine) / 3)

        value = CauchyQuantization(3.0)(batch(codes))
        assert float(value) == pytest.approx(mean(loss(u) for u in codes))
        assert float(CauchyQuantization()(batch(sign(codes)))) == pytest.approx(0, abs=1e-12)

    def test_equal_codes_of_dissimilar_rows_stay_finite(self):
        codes = torch.ones(M, K, requires_grad=True)
        value = CauchyLikelihood()(batch(codes, torch.arange(M) % 2))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(codes.grad).all()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("d", [0.0, 1e-6, 1e-5, 1e-4, 4e-4, 1e-3, 1.6e-3, 1e-2, 1.0, 20.0])
    def test_dissimilar_pairs_are_pushed_apart_at_every_distance(self, d, dtype):
        """The slope by the angle is the one of finite differences, and never attracts."""
        n_bits = 64
        angle = 2 * math.asin(math.sqrt(d / n_bits))  # d = K / 2 (1 - cos) = K sin(angle / 2)^2

        def loss(angle):
            d = n_bits * math.sin(angle / 2) ** 2 + EPSILON
            return math.log1p(20 / d)

        first = torch.ones(n_bits, dtype=torch.float64)
        across = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(n_bits // 2)
        second = math.cos(angle) * first + math.sin(angle) * across
        outputs = torch.stack([first, second]).to(dtype).requires_grad_()
        rows = torch.arange(2)
        CauchyLikelihood(20.0)(Batch(outputs, outputs, rows, y=rows)).backward()
        turn = math.cos(angle) * across - math.sin(angle) * first  # d second / d angle
        slope = float(outputs.grad[1].double() @ turn)
        if d == 0:  # the cosine is flat here
            assert slope == 0
            return
        step = 1e-3 * angle
        expected = (loss(angle + step) - loss(angle - step)) / (2 * step)
        assert slope == pytest.approx(expected, rel=1e-3 if dtype == torch.float32 else 1e-5)
        assert slope < 0

    def test_gamma_must_be_positive(self):
        with pytest.raises(InputError, match="gamma"):
            CauchyLikelihood(0.0)


class TestBalance:
    def test_over_samples_and_over_bits(self, codes):
        by_bit = mean(mean(float(codes[i, k]) for i in range(M)) ** 2 for k in range(K))
        by_row = mean(mean(float(codes[i, k]) for k in range(K)) ** 2 for i in range(M))
        assert float(Balance()(batch(codes))) == pytest.approx(by_bit)
        assert float(Balance("bits")(batch(codes))) == pytest.approx(by_row)
        with pytest.raises(InputError, match="over must be"):
            Balance("rows")


class TestClassification:
    def test_cross_entropy_over_label_shares(self, codes, y):
        objective = Classification()
        objective.prepare(Problem(n_rows=M, n_bits=K, n_features=1, n_classes=C + 1))
        objective.double()
        losses = []
        for i in range(M):
            if y.ndim == 1:
                mine = [int(y[i])] if y[i] >= 0 else []
            else:
                mine = [c for c in range(C) if y[i, c]]
            if mine:
                said = [math.exp(float(w @ codes[i])) for w in objective.weight.detach()]
                losses.append(-mean(math.log(said[c] / sum(said)) for c in mine))
        assert float(objective(batch(codes, y)).detach()) == pytest.approx(mean(losses))

    def test_needs_two_classes(self):
        with pytest.raises(InputError, match="two classes"):
            Classification().prepare(Problem(n_rows=M, n_bits=K, n_features=1))


class TestCosineMatching:
    @pytest.mark.parametrize("center", [True, False])
    def test_all_pairs(self, codes, center):
        torch.manual_seed(2)
        X = torch.rand(M, 5, dtype=torch.float64)
        objective = CosineMatching(center=center)
        average = X.mean(dim=0)
        objective.prepare(Problem(n_rows=M, n_bits=K, n_features=5, mean=average))
        Z = X - average if center else X

        def cosine(a, b):
            return float(a @ b / a.norm() / b.norm())

        expected = mean(
            (cosine(codes[i], codes[j]) - cosine(Z[i], Z[j])) ** 2
            for i in range(M)
            for j in range(M)
            if i != j
        )
        assert float(objective(batch(codes, X=X))) == pytest.approx(expected)


def test_piecewise_sigmoid_cuts_off_what_is_clear():
    z = torch.tensor([-3.0, -0.5, 0.0, 0.5, 3.0], requires_grad=True)
    outputs = PiecewiseSigmoid(0.25)(z)
    expected = [-1.0, *(2 / (1 + math.exp(-v)) - 1 for v in (-0.5, 0.0, 0.5)), 1.0]
    torch.testing.assert_close(outputs.detach(), torch.tensor(expected))
    outputs.sum().backward()
    assert (z.grad[[0, 4]] == 0).all()
    assert (z.grad[1:4] > 0).all()
    with pytest.raises(InputError, match="epsilon"):
        PiecewiseSigmoid(0.0)
