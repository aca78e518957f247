"""SGH's pair term against the distributional derivative by enumeration of all codes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hammingbird as hb
from hammingbird.deep.methods.sgh import DeepSGH
from hammingbird.deep.objective import Batch
from hammingbird.deep.objectives.pair_labels import PairLabels

pytestmark = pytest.mark.deep

M, K = 3, 3


def all_codes():
    """Every code of every row of the batch, [2^(M K), M, K]."""
    return torch.tensor(list(product((-1.0, 1.0), repeat=M * K)), dtype=torch.float64).view(
        -1, M, K
    )


def labels():
    return torch.tensor([0, 0, 1])


def slow(h, scale, balanced):
    """The likelihood of all pairs by the paper's formula, one after another."""
    losses = {True: [], False: []}
    for i in range(M):
        for j in range(M):
            if i != j:
                similar = bool(labels()[i] == labels()[j])
                p = 1 / (1 + np.exp(-scale * float(h[i] @ h[j])))
                losses[similar].append(-np.log(p if similar else 1 - p))
    if balanced:
        return (np.mean(losses[True]) + np.mean(losses[False])) / 2
    return np.mean(losses[True] + losses[False])


@pytest.mark.parametrize("derivative", ["exact", "approximate"])
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("scale", [1.0, None])
def test_at_codes_it_is_the_papers_likelihood(derivative, balanced, scale):
    objective = PairLabels(scale, balanced=balanced, derivative=derivative)
    for h in all_codes()[::37]:
        value = objective(Batch(h, h, torch.arange(M), y=labels()))
        assert float(value) == pytest.approx(slow(h, scale or 10 / K, balanced))


def gradients(derivative, balanced, scale):
    """What enumeration says, and the mean over all codes of what the objective's gradient is."""
    torch.manual_seed(0)
    logits = torch.randn(M, K, dtype=torch.float64, requires_grad=True)
    objective = PairLabels(scale, balanced=balanced, derivative=derivative)
    expectation, found = torch.zeros((), dtype=torch.float64), torch.zeros(M, K).double()
    for h in all_codes():
        q = torch.sigmoid(logits)
        chance = torch.where(h > 0, q, 1 - q).prod()
        expectation = expectation + chance * slow(h, scale, balanced)
        drawn = torch.sigmoid(logits)
        outputs = h + 2 * (drawn - drawn.detach())  # as the doubly stochastic neuron draws it
        value = objective(Batch(logits, outputs, torch.arange(M), y=labels()))
        (gradient,) = torch.autograd.grad(value, logits)
        found += chance.detach() * gradient
    (expected,) = torch.autograd.grad(expectation, logits)
    return expected, found


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("scale", [0.4, 1.0])
def test_the_exact_derivative_is_that_of_the_enumerated_expectation(balanced, scale):
    expected, found = gradients("exact", balanced, scale)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_the_approximate_derivative_is_not():
    expected, found = gradients("approximate", False, 1.0)
    assert (found - expected).norm() > 0.05 * expected.norm()


def test_the_method_has_the_papers_pairs_by_default():
    """D.2: ``sigma(h_i . h_j)``, every known pair counts once, and the chosen derivative."""
    for derivative in ("exact", "approximate"):
        objective, _ = DeepSGH(8, supervision=2.0, derivative=derivative)._parts()
        weight, pairs = next((w, part) for _, w, part in objective.terms() if part.needs == "pairs")
        assert weight == 2.0
        assert isinstance(pairs, PairLabels)
        assert (pairs.scale, pairs.balanced) == (1.0, False)
        assert pairs.exact == (derivative == "exact")


@pytest.mark.parametrize("bad", [{"scale": 0.0}, {"derivative": "x"}])
def test_impossible_parameters(bad):
    with pytest.raises(hb.InputError):
        PairLabels(**bad)
