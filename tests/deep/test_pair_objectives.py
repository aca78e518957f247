"""Pairwise likelihood, mutual information, quantization and distillation against slow twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import hammingbird as hb
from hammingbird.deep.objective import Batch, Problem
from hammingbird.deep.objectives import bank
from hammingbird.deep.objectives.distillation import NeighborDistillation
from hammingbird.deep.objectives.mutual_information import MutualInformation
from hammingbird.deep.objectives.pairwise import PairwiseLikelihood
from hammingbird.deep.objectives.prefixes import Prefixes
from hammingbird.deep.objectives.quantization import Quantization
from hammingbird.deep.relaxations import sign
from hammingbird.deep.supervision import supervise

pytestmark = pytest.mark.deep


def batch(u, y, index=None, X=None):
    index = torch.arange(len(u)) if index is None else index
    return Batch(logits=u, outputs=u, index=index, X=X, y=y)


def some(m=9, k=6, classes=3, seed=0):
    torch.manual_seed(seed)
    u = torch.tanh(torch.randn(m, k, dtype=torch.float64)).requires_grad_()
    return u, torch.randint(classes, (m,))


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """Remembers how many numbers the largest tensor that was made has."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.largest = max(self.largest, out.numel())
        return out


class TestBatch:
    def test_pairs_of_a_row_with_itself_or_its_copy_or_without_labels_are_unknown(self):
        u, _ = some(4)
        made = batch(u, torch.tensor([0, 0, -1, 1]), torch.tensor([5, 5, 6, 7]))
        expected = torch.zeros(4, 4, dtype=torch.bool)
        expected[0, 3] = expected[1, 3] = expected[3, 0] = expected[3, 1] = True
        assert torch.equal(made.known, expected)
        assert made.labelled.tolist() == [True, True, False, True]

    def test_label_sets(self):
        sets = torch.tensor([[1, 1, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]], dtype=torch.bool)
        made = batch(some(4)[0], sets)
        assert made.jaccard[0, 1] == pytest.approx(1 / 3)
        assert made.similar[0, 1] == 1
        assert made.similar[0, 3] == 0
        assert not made.known[2].any()

    def test_triplets_are_all_there_are(self):
        u, y = some(8)
        found = {tuple(t) for t in batch(u, y).triplets.tolist()}
        assert found == {
            (a, p, n)
            for a in range(8)
            for p in range(8)
            for n in range(8)
            if a != p and y[a] == y[p] and y[a] != y[n]
        }


def slow_likelihood(u, y, scale, balanced, sets=None):
    m = len(u)
    pairs = [(i, j) for i in range(m) for j in range(m) if i != j and y[i] >= 0 and y[j] >= 0]
    similar = {(i, j): float(y[i] == y[j]) for i, j in pairs}
    if sets is not None:
        similar = {(i, j): float((sets[i] & sets[j]).any()) for i, j in pairs}
    n1 = sum(similar.values())
    total = weights = 0.0
    for pair in pairs:
        i, j = pair
        theta = scale * float(u[i] @ u[j])
        w = 1.0
        if balanced:
            w = len(pairs) / (n1 if similar[pair] else len(pairs) - n1)
        if sets is not None and similar[pair]:
            w *= float((sets[i] & sets[j]).sum() / (sets[i] | sets[j]).sum())
        total += w * (math.log1p(math.exp(-abs(theta))) + max(theta, 0) - similar[pair] * theta)
        weights += w
    return total / weights


class TestPairwiseLikelihood:
    @pytest.mark.parametrize("balanced", [False, True])
    @pytest.mark.parametrize("scale", [None, 0.5])
    def test_equals_its_formula(self, scale, balanced):
        u, y = some()
        y[2] = -1
        value = PairwiseLikelihood(scale, balanced=balanced)(batch(u, y))
        expected = slow_likelihood(u.detach(), y, scale or 10 / 6, balanced)
        assert value.item() == pytest.approx(expected)

    def test_jaccard_weights_similar_pairs_only(self):
        u, _ = some()
        torch.manual_seed(4)
        sets = torch.rand(9, 5) < 0.4
        sets[:, 0] |= ~sets.any(dim=1)
        value = PairwiseLikelihood(balanced=True, similarity="jaccard")(batch(u, sets))
        expected = slow_likelihood(u.detach(), torch.zeros(9), 10 / 6, True, sets)
        assert value.item() == pytest.approx(expected)

    def test_dissimilar_pairs_are_pushed_apart_with_jaccard_too(self):
        logits = torch.full((4, 4), 0.5, requires_grad=True)
        sets = torch.eye(4, dtype=torch.bool)
        PairwiseLikelihood(similarity="jaccard")(batch(logits, sets)).backward()
        assert (logits.grad > 0).all()


def slow_bank_likelihood(u, bank, rows, seen, similar, scale, balanced):
    """DPSH's sum by loops: rows of the batch against all rows seen but themselves."""
    pairs = [(a, i, j) for a, i in enumerate(rows) for j in seen if j != i]
    pairs = [(a, i, j, similar(i, j)) for a, i, j in pairs if similar(i, j) is not None]
    n1 = sum(s for *_, s in pairs)
    total = weights = 0.0
    for a, _, j, s in pairs:
        theta = scale * (u[a] @ bank[j])
        w = len(pairs) / (n1 if s else len(pairs) - n1) if balanced else 1.0
        total = total + w * (torch.nn.functional.softplus(theta) - s * theta)
        weights += w
    return total / weights


class TestBank:
    """12 rows, of which 9 have been seen, the batch among them; blocks of 3 rows."""

    rows, earlier = torch.tensor([7, 2, 11, 0]), torch.tensor([3, 4, 2, 9, 8, 7, 1])

    @pytest.fixture(autouse=True)
    def small_blocks(self, monkeypatch):
        monkeypatch.setattr(bank, "PAIRS", 3 * len(self.rows))

    def both(self, objective, y, relation=None):
        """The value of a batch after an earlier one, its codes, and what the bank then holds."""
        objective.prepare(Problem(n_rows=12, n_bits=6, n_features=1, n_classes=3, y=y))
        stale, u = some(len(self.earlier), seed=1)[0], some(len(self.rows), seed=2)[0]
        held = torch.zeros(12, 6, dtype=torch.float64)
        for codes, rows in ((stale, self.earlier), (u, self.rows)):
            held[rows] = codes.detach().float().double()
            y_of = None if y is None else y[rows]
            made = Batch(logits=codes, outputs=codes, index=rows, y=y_of, relation=relation)
            value = objective(made)
        return value, u, held

    def check(self, value, u, held, similar, scale=0.5, balanced=False):
        twin = u.detach().clone().requires_grad_()
        seen = sorted({*self.rows.tolist(), *self.earlier.tolist()})
        expected = slow_bank_likelihood(
            twin, held, self.rows.tolist(), seen, similar, scale, balanced
        )
        value.backward()
        expected.backward()
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(u.grad, twin.grad)

    @pytest.mark.parametrize("balanced", [False, True])
    @pytest.mark.parametrize("scale", [0.5, None])
    def test_value_and_gradient_of_labels(self, balanced, scale):
        y = torch.arange(12) % 3
        y[[4, 11]] = -1
        value, u, held = self.both(PairwiseLikelihood(scale, balanced=balanced, bank=True), y)
        self.check(
            value, u, held,
            lambda i, j: float(y[i] == y[j]) if y[i] >= 0 and y[j] >= 0 else None,
            scale or 10 / 6, balanced,
        )  # fmt: skip

    def test_value_and_gradient_of_label_sets(self):
        torch.manual_seed(5)
        sets = torch.rand(12, 3) < 0.5
        sets[:, 0] |= ~sets.any(dim=1)
        value, u, held = self.both(PairwiseLikelihood(0.5, bank=True), sets)
        self.check(value, u, held, lambda i, j: float((sets[i] & sets[j]).any()))

    def test_value_and_gradient_of_neighbours(self):
        ids = np.random.default_rng(0).permuted(np.tile(np.arange(12), (12, 1)), axis=1)[:, :3]
        near = {(i, int(j)) for i in range(12) for j in ids[i] if i != j}
        relation = supervise(hb.Neighbors(ids, np.zeros(ids.shape)), 12).relation
        value, u, held = self.both(PairwiseLikelihood(0.5, bank=True), None, relation)
        self.check(value, u, held, lambda i, j: float((i, j) in near or (j, i) in near))

    def test_it_is_finite_for_saturated_codes_and_without_pairs(self):
        objective = PairwiseLikelihood(0.5, bank=True)
        y = torch.arange(12)
        objective.prepare(Problem(n_rows=12, n_bits=6, n_features=1, n_classes=12, y=y))
        for codes in (torch.zeros(1, 6), 1e4 * torch.ones(1, 6), -1e4 * torch.ones(1, 6)):
            u, row = codes.requires_grad_(), torch.tensor([int(codes[0, 0] != 0)])
            value = objective(batch(u, y[row], row))
            value.backward()
            assert torch.isfinite(value)
            assert torch.isfinite(u.grad).all()


def test_no_tensor_is_as_large_as_batch_times_bank():
    objective, y = PairwiseLikelihood(0.5, bank=True), torch.arange(5000) % 3
    objective.prepare(Problem(n_rows=5000, n_bits=6, n_features=1, n_classes=3, y=y))
    u, rows = some(64)[0], torch.randperm(5000)[:64]
    with LargestTensor() as watch:
        objective(batch(u, y[rows], rows)).backward()
    assert watch.largest <= bank.PAIRS < 64 * 5000


def slow_information(u, y, n_bins):
    m, k = u.shape
    total = 0.0
    for i in range(m):
        d = {j: float(k - u[i] @ u[j]) / 2 for j in range(m) if j != i}
        near = {j for j in d if y[j] == y[i]}
        if not near or len(near) == len(d):
            continue
        step = k / n_bins

        def entropy(rows, d=d, step=step):
            p = [
                np.mean([max(0.0, 1 - abs(d[j] - b * step) / step) for j in rows])
                for b in range(n_bins + 1)
            ]
            return -sum(x * math.log2(x) for x in p if x > 0)

        share = len(near) / len(d)
        total += entropy(d) - share * entropy(near) - (1 - share) * entropy(set(d) - near)
    return total / m


def slow_gradient(u, y, n_bins):
    """The analytic gradient of MIHash (Eq. 50), by loops over anchors, rows and bins."""
    m, k = u.shape
    step = k / n_bins
    gradient = np.zeros((m, k))
    for i in range(m):
        others = [j for j in range(m) if j != i]
        near = [j for j in others if y[j] == y[i]]
        if not near or len(near) == len(others):
            continue
        d = {j: (k - u[i] @ u[j]) / 2 for j in others}
        mass = {
            kind: [
                sum(max(0.0, 1 - abs(d[j] - b * step) / step) for j in rows) / len(others)
                for b in range(n_bins + 1)
            ]
            for kind, rows in (("+", near), ("-", [j for j in others if j not in near]))
        }
        for j in others:
            own = mass["+" if j in near else "-"]
            for b in range(n_bins + 1):
                if abs(d[j] - b * step) >= step or own[b] == 0:
                    continue
                slope = -np.sign(d[j] - b * step) / step / len(others)
                # d(-I)/dp of this bin: log of the joint share minus log of the class's own
                change = math.log2((mass["+"][b] + mass["-"][b]) / own[b]) * slope
                gradient[i] += change * -u[j] / 2 / m
                gradient[j] += change * -u[i] / 2 / m
    return gradient


class TestMutualInformation:
    @pytest.mark.parametrize("n_bins", [None, 3, 12])
    def test_equals_its_formula(self, n_bins):
        u, y = some(10)
        value = MutualInformation(n_bins)(batch(u, y))
        assert value.item() == pytest.approx(-slow_information(u.detach(), y, n_bins or 6))

    def test_gradient_is_the_analytic_one(self):
        u, y = some(8)
        MutualInformation(6)(batch(u, y)).backward()
        expected = slow_gradient(u.detach().numpy(), y.numpy(), 6)
        np.testing.assert_allclose(u.grad.numpy(), expected, atol=1e-12)

    def test_gradient_agrees_with_finite_differences(self):
        u, y = some(6, 4)
        assert torch.autograd.gradcheck(
            lambda v: MutualInformation()(batch(v, y)), (u,), eps=1e-7, atol=1e-5
        )

    def test_perfect_codes_reach_the_entropy_of_the_classes(self):
        y = torch.arange(40) % 2
        codes = torch.where(y[:, None] > 0, 1.0, -1.0).repeat(1, 8)
        share = 19 / 39
        ceiling = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
        assert float(MutualInformation()(batch(codes, y))) == pytest.approx(-ceiling)

    def test_anchors_without_both_kinds_have_no_gradient_but_count(self):
        u, _ = some(4)
        alone = MutualInformation()(batch(u, torch.zeros(4, dtype=torch.int64)))
        alone.backward()
        assert alone.item() == 0
        assert not u.grad.any()
        y = torch.tensor([0, 0, 1, 2])
        whole = MutualInformation()(batch(u, y))
        assert whole.item() == pytest.approx(-slow_information(u.detach(), y, 6))

    def test_few_similar_rows_in_many_bins_seem_informative(self):
        generator = torch.Generator().manual_seed(0)
        codes = torch.randn(256, 64, generator=generator).sign()
        y = torch.arange(256) // 8
        fine, coarse = (-float(MutualInformation(n)(batch(codes, y))) for n in (64, 16))
        assert fine > 2 * coarse  # of codes that say nothing

    def test_memory_does_not_grow_with_batch_times_batch_times_bins(self):
        u, y = some(64, 64, classes=8)
        with LargestTensor() as watch:
            MutualInformation()(batch(u, y)).backward()
        assert watch.largest <= 64 * 65


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        ("square", lambda u: (u - sign(u)) ** 2),
        ("absolute", lambda u: (u.abs() - 1).abs()),
        ("cubic", lambda u: (u.abs() - 1).abs() ** 3),
        ("log-cosh", lambda u: torch.log(torch.cosh(u.abs() - 1))),
    ],
)
def test_quantization_equals_its_formula(kind, formula):
    u, y = some()
    torch.testing.assert_close(Quantization(kind)(batch(3 * u, y)), formula(3 * u).mean())
    assert torch.isfinite(Quantization(kind)(batch(1e4 * torch.ones(2, 2), y[:2])))


class TestNeighborDistillation:
    def slow(self, u, X, bandwidth, sharpness, reach):
        m, k = u.shape
        total = 0.0
        for i in range(m):
            others = [j for j in range(m) if j != i]
            target = [
                math.exp(-float(((X[i] - X[j]) ** 2).sum()) / (bandwidth * reach)) for j in others
            ]
            predicted = [
                math.exp(max(sharpness * math.sqrt(k), 12) / k * float(u[i] @ u[j])) for j in others
            ]
            for t, p in zip(target, predicted, strict=True):
                t, p = t / sum(target), p / sum(predicted)
                total += t * math.log(t / p) if t > 0 else 0.0
        return total / m

    def test_equals_its_formula(self):
        u, y = some()
        X = torch.randn(9, 4, dtype=torch.float64)
        value = NeighborDistillation(0.2, 8.0, reach=5.0)(batch(u, y, X=X))
        assert value.item() == pytest.approx(self.slow(u.detach(), X, 0.2, 8.0, 5.0))

    def test_flat_targets_are_refused(self):
        with pytest.raises(hb.InputError, match="below 0.3"):
            NeighborDistillation(0.3)
        u, y = some(100)
        with pytest.raises(hb.InputError, match="not much nearer"):
            NeighborDistillation(0.1, reach=1e9)(batch(u, y, X=torch.randn(100, 4)))


def test_prefixes_average_over_lengths():
    u, y = some()
    value = Prefixes(MutualInformation(), (2, 4))(batch(u, y))
    parts = [MutualInformation()(batch(u[:, :k], y)) for k in (2, 4, 6)]
    torch.testing.assert_close(value, torch.stack(parts).mean())
    with pytest.raises(hb.InputError, match="a prefix must have 1 to 5 bits"):
        Prefixes(lengths=(6,)).prepare(Problem(n_rows=9, n_bits=6, n_features=1))
