"""Objectives around class centres: CSQ and the posterior plug-in, against slow twins."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hammingbird import InputError
from hammingbird.centers import make_centers
from hammingbird.deep.methods.csq import CSQ
from hammingbird.deep.methods.hashnet import HashNet
from hammingbird.deep.objective import Batch, Problem
from hammingbird.deep.objectives.center_codes import CenterLikelihood
from hammingbird.deep.objectives.posterior import CodePosterior, patterns_of

pytestmark = pytest.mark.deep


def problem(n_bits=12, n_classes=5, y=None, seed=0):
    return Problem(
        n_rows=20, n_bits=n_bits, n_features=4, n_classes=n_classes, y=y, random_state=seed
    )


def batch(logits, y):
    return Batch(logits=logits, outputs=torch.tanh(logits), index=torch.arange(len(logits)), y=y)


@pytest.fixture
def logits():
    torch.manual_seed(0)
    return torch.randn(20, 12, dtype=torch.float64)


@pytest.fixture
def label_sets():
    torch.manual_seed(1)
    sets = torch.rand(20, 5) < 0.4
    sets[3] = False
    return sets


class TestCenterLikelihood:
    def test_is_the_cross_entropy_of_each_bit_with_its_majority(self, logits, label_sets):
        objective = CenterLikelihood()
        objective.prepare(problem())
        total, rows = 0.0, 0
        for i in range(20):
            mine = [c for c in range(5) if label_sets[i, c]]
            if not mine:
                continue
            rows += 1
            for k in range(12):
                votes = sum(float(objective.centers[c, k]) for c in mine)
                target = (1 if votes > 0 else 0) if votes else (float(objective.tie[k]) + 1) / 2
                p = (math.tanh(logits[i, k]) + 1) / 2
                total -= (target * math.log(p) + (1 - target) * math.log(1 - p)) / 12
        value = objective(batch(logits, label_sets))
        assert float(value) == pytest.approx(total / rows)

    def test_ties_go_to_one_random_word(self):
        objective = CenterLikelihood()
        objective.prepare(problem())
        pairs = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]], dtype=torch.bool)
        found = objective.majority(batch(torch.zeros(2, 12), pairs))
        for row, (a, b) in zip(found, ((0, 1), (2, 3)), strict=True):
            split = objective.centers[a] != objective.centers[b]
            assert split.any()
            assert torch.equal(row[split], objective.tie[split].to(row.dtype))
        assert len(objective.tie.unique()) == 2

    def test_saturated_wrong_bits_still_have_a_gradient(self):
        objective = CenterLikelihood()
        objective.prepare(problem())
        logits = (-100.0 * objective.centers).requires_grad_()
        objective(batch(logits, torch.arange(5))).backward()
        assert (logits.grad * objective.centers < 0).all()

    def test_says_how_far_apart_the_centers_are(self, caplog):
        with caplog.at_level(logging.INFO, logger="hammingbird.deep"):
            objective = CenterLikelihood("hadamard")
            objective.prepare(problem(n_bits=16, n_classes=10))
        assert objective.min_distance == 8
        assert (
            "10 hadamard centres of 16 bits, at least 8 apart (Plotkin's bound: 8)" in caplog.text
        )

    def test_without_labels_it_says_what_it_needs(self):
        with pytest.raises(InputError, match="CenterLikelihood needs labels"):
            CenterLikelihood().prepare(problem(n_classes=0))


class TestAssignment:
    def test_every_class_gets_the_centre_it_is_nearest_to(self):
        objective = CenterLikelihood(assignment="nearest")
        objective.prepare(problem())
        before = objective.centers.clone()
        wish = torch.tensor([3, 0, 4, 1, 2])
        torch.manual_seed(0)
        objective(batch(before[wish] + 0.3 * torch.randn(5, 12), torch.arange(5)))
        torch.testing.assert_close(objective.centers, before)  # only when the epoch ends
        objective.epoch_end()
        torch.testing.assert_close(objective.centers, before[wish])

    @pytest.mark.parametrize("make", [CenterLikelihood, CodePosterior])
    def test_as_in_the_papers_classes_keep_their_centres(self, make):
        objective = make()
        objective.prepare(problem())
        before = objective.centers.clone()
        objective(batch(before.flip(0), torch.arange(5)))
        objective.epoch_end()
        torch.testing.assert_close(objective.centers, before)

    def test_csq_and_its_plug_in_keep_the_same_centers(self):
        csq, plug_in = (make(assignment="nearest") for make in (CenterLikelihood, CodePosterior))
        for seed in range(3):
            for objective in (csq, plug_in):
                if not seed:
                    objective.prepare(problem())
                torch.manual_seed(seed)
                objective(batch(torch.randn(20, 12), torch.arange(20) % 5))
                objective.epoch_end()
            torch.testing.assert_close(csq.centers, plug_in.centers)


def pattern(bits):
    return sum(1 << k for k, bit in enumerate(bits) if bit)


class TestCodePosterior:
    def slow(self, objective, row):
        """Probabilities of all patterns of each block, from the layers one by one."""
        start = 0
        for first, second in zip(objective.first, objective.second, strict=True):
            size = first.in_features
            hidden = first.weight.double() @ row[start : start + size] + first.bias.double()
            hidden = hidden / (1 + (-hidden).exp())
            said = second.weight.double() @ hidden + second.bias.double()
            yield start, size, said - said.logsumexp(dim=0)
            start += size

    @torch.no_grad()
    def test_both_parts_against_a_slow_twin(self, logits, label_sets):
        objective = CodePosterior()
        assert objective.flips == 0.0  # as in the paper
        objective.prepare(problem())
        objective.double()
        objective.dropout.p = 0.0
        assert [layer.in_features for layer in objective.first] == [8, 4]
        assert [layer.out_features for layer in objective.second] == [256, 16]
        pull = estimate = 0.0
        for i in range(20):
            mine = [c for c in range(5) if label_sets[i, c]]
            for start, size, said in self.slow(objective, logits[i]):
                estimate -= float(said[pattern(logits[i, start : start + size] >= 0)]) / 20
                for c in mine:
                    bits = objective.centers[c, start : start + size] > 0
                    pull -= float(said[pattern(bits)]) / len(mine) / 19
        one = batch(logits, label_sets)
        assert float(objective.pull(one)) == pytest.approx(pull)
        assert float(objective.estimate(logits)) == pytest.approx(estimate)
        assert float(objective(one)) == pytest.approx(pull + estimate)
        assert float(objective.eval()(one)) == pytest.approx(pull)

    def test_surrogate_and_hasher_get_no_gradient_from_each_other(self):
        objective = CodePosterior()
        objective.prepare(problem())
        logits = torch.randn(20, 12, requires_grad=True)
        one = batch(logits, torch.arange(20) % 5)
        parameters = list(objective.parameters())
        assert not any(
            grad is not None
            for grad in torch.autograd.grad(
                objective.pull(one), parameters, allow_unused=True, retain_graph=True
            )
        )
        estimate = objective.estimate(logits)
        assert torch.autograd.grad(estimate, logits, allow_unused=True, retain_graph=True) == (
            None,
        )
        grads = torch.autograd.grad(objective(one), [logits, *parameters])
        assert all(grad.abs().sum() > 0 for grad in grads)

    @torch.no_grad()
    def test_dropout_acts_where_the_surrogate_learns_alone(self, logits):
        objective = CodePosterior()
        objective.prepare(problem())
        one = batch(logits.float(), torch.arange(20) % 5)
        assert objective.training
        assert float(objective.pull(one)) == float(objective.pull(one))
        assert float(objective.estimate(one.logits)) != float(objective.estimate(one.logits))

    def test_the_untrained_surrogate_stays_as_it_was_drawn(self):
        objective = CodePosterior(trained=False)
        objective.prepare(problem())
        assert not any(parameter.requires_grad for parameter in objective.parameters())
        logits = torch.randn(20, 12, requires_grad=True)
        objective(batch(logits, torch.arange(20) % 5)).backward()
        assert logits.grad.abs().sum() > 0

    @pytest.mark.parametrize("n_bits", [1, 7, 8, 9, 12, 16, 20, 64])
    def test_blocks_cover_any_number_of_bits(self, n_bits):
        objective = CodePosterior()
        objective.prepare(problem(n_bits=n_bits, n_classes=2))
        covered = [k for block in objective.blocks for k in range(n_bits)[block]]
        assert covered == list(range(n_bits))
        assert max(b.stop - b.start for b in objective.blocks) <= 8

    def test_the_first_bit_counts_one(self):
        bits = torch.tensor([[True, False, False, True, True]])
        assert [int(p) for p in patterns_of(bits, [slice(0, 3), slice(3, 5)])] == [1, 3]

    def test_estimates_a_joint_distribution_that_is_no_product(self):
        """Appendix D: two correlated bits, whose joint probability is not the margins' product."""
        torch.manual_seed(0)
        objective = CodePosterior()
        objective.prepare(problem(n_bits=2, n_classes=2))
        z = torch.randn(4000, 1)
        logits = torch.cat([z, z], dim=1) + 0.4 * torch.randn(4000, 2)
        optimizer = torch.optim.Adam(objective.parameters(), 1e-2)
        for part in range(100):
            optimizer.zero_grad()
            objective.estimate(logits[part * 40 : part * 40 + 40]).backward()
            optimizer.step()
        objective.eval()
        estimated = objective.log_posterior(logits)[0].exp().mean(dim=0)
        counted = torch.bincount(patterns_of(logits >= 0, objective.blocks)[0]) / 4000
        torch.testing.assert_close(estimated, counted, atol=0.03, rtol=0)
        bits = (logits >= 0).float().mean(dim=0)
        assert float(counted[3]) > 1.3 * float(bits.prod())


class TestPlugIn:
    def test_follows_the_centers_alone_when_it_replaces_the_objective(self, clusters):
        X, y = clusters
        hasher = HashNet(
            16, posterior="instead", assignment="nearest", flips=0.25, epochs=40, batch_size=32,
            learning_rate=1e-2, random_state=0,
        ).fit(X, y)  # fmt: skip
        assert set(hasher.history_[0]) >= {"CodePosterior"}
        assert "PairwiseLikelihood" not in hasher.history_[0]
        assert hasher.center_distance_ == make_centers(6, 16).min_distance == 8
        scores = np.sign(hasher.project(X))
        means = np.array([scores[y == c].mean(axis=0) for c in range(6)])
        apart = (16 - np.sign(means) @ np.sign(means).T) / 2
        assert apart[~np.eye(6, dtype=bool)].min() >= 7

    @pytest.mark.parametrize("posterior", ["added", "untrained"])
    def test_is_a_term_beside_the_methods_own(self, clusters, posterior):
        X, y = clusters
        hasher = CSQ(12, posterior=posterior, epochs=2, random_state=0).fit(X, y)
        assert set(hasher.history_[0]) >= {"CenterLikelihood", "CodePosterior", "Quantization"}

    def test_its_weight_and_centers_are_parameters(self, clusters, tmp_path):
        X, y = clusters
        plain = CSQ(12, epochs=2, random_state=0, centers="bch").fit(X, y)
        none = CSQ(
            12, epochs=2, random_state=0, centers="bch", posterior="added", posterior_weight=0.0
        ).fit(X, y)
        np.testing.assert_array_equal(plain.transform(X), none.transform(X))
        assert none.get_params()["posterior_weight"] == 0.0

    def test_unknown_modes_and_centers_are_refused(self, clusters):
        X, y = clusters
        with pytest.raises(InputError, match="posterior must be"):
            HashNet(12, posterior="always").fit(X, y)
        with pytest.raises(InputError, match="no centres are called"):
            HashNet(12, posterior="added", centers="golay").fit(X, y)
