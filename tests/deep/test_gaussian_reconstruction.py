"""SGH by autograd: agrees with the NumPy model, and learns scales and pairs."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hammingbird as hb
from hammingbird.classical.gaussian import GaussianModel, logit_gradient, negative_entropy
from hammingbird.deep.methods.sgh import DeepSGH
from hammingbird.deep.objective import Batch, Problem
from hammingbird.deep.objectives.gaussian_reconstruction import GaussianReconstruction
from hammingbird.deep.relaxations import DoublyStochastic, sign

pytestmark = pytest.mark.deep

M, D, K = 9, 5, 4


def prepared(**parameters):
    torch.manual_seed(0)
    objective = GaussianReconstruction(rho=0.6, **parameters).double()
    objective.prepare(Problem(M, K, D, mean=torch.zeros(D)))
    objective = objective.double()
    with torch.no_grad():
        objective.unit.fill_(1.0)
        objective.shift.normal_()
        objective.beta.normal_()
    return objective


def a_batch(outputs=None):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(M, K, generator=generator, dtype=torch.float64, requires_grad=True)
    X = torch.randn(M, D, generator=generator, dtype=torch.float64)
    outputs = DoublyStochastic(noise=False)(logits) if outputs is None else outputs(logits)
    return Batch(logits, outputs, torch.arange(M), X=X)


def numpy_model(objective):
    parts = (objective.decoder, objective.shift, objective.beta)
    return GaussianModel(*(p.detach().numpy() for p in parts), float(objective.variance))


@pytest.mark.parametrize("derivative", ["exact", "approximate"])
def test_value_and_gradients_are_those_of_the_numpy_model(derivative):
    objective = prepared(derivative=derivative, learned_prior=True)
    batch = a_batch()
    value = objective(batch)
    value.backward()
    model = numpy_model(objective)
    X, z, H = (t.detach().numpy() for t in (batch.X, batch.logits, sign(batch.logits)))
    q, rest = 1 / (1 + np.exp(-z)), X - model.offset - H @ model.decoder
    expected = np.mean(model.energy(H, rest) + negative_entropy(q))
    assert float(value.detach()) == pytest.approx(expected)
    in_logits = logit_gradient(q, z, model.differences(H, rest, derivative)) / M
    np.testing.assert_allclose(batch.logits.grad.numpy(), in_logits, atol=1e-10)
    found = (objective.decoder.grad, objective.shift.grad, objective.beta.grad)
    for ours, theirs in zip(found, model.gradients(H, rest), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-10)


@pytest.mark.parametrize("derivative", ["exact", "approximate"])
def test_bits_and_signs_are_one_model(derivative):
    """D.3: U' = 2U, a' = a - sum U, beta' = 2 beta give equal values and logit gradients."""
    signs, bits = (prepared(derivative=derivative, values=v) for v in ("signs", "bits"))
    with torch.no_grad():
        bits.decoder.copy_(2 * signs.decoder)
        bits.shift.copy_(signs.shift - signs.decoder.sum(dim=0))
        bits.beta.copy_(2 * signs.beta)
    values, gradients = [], []
    for objective in (signs, bits):
        batch = a_batch()
        values.append(objective(batch))
        values[-1].backward()
        gradients.append(batch.logits.grad)
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(gradients[0], gradients[1])
    for ours, theirs in zip(signs.linear_decoder(), bits.linear_decoder(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_scales_fixed_to_one_are_the_basic_model():
    """D.1 with z = 1: the basic model plus what q(z) costs."""
    plain, scaled = prepared(), prepared(scale=True, scale_deviation=1e-6)
    with torch.no_grad():
        scaled.decoder.copy_(plain.decoder)
        scaled.shift.copy_(plain.shift)
        scaled.beta.copy_(plain.beta)
    torch.testing.assert_close(scaled(a_batch()), plain(a_batch()), atol=1e-4, rtol=1e-4)


def test_the_cost_of_scales_is_a_divergence():
    """Never negative, zero where q(z) is the prior, and it bounds what scaling z up can gain."""
    objective = prepared(scale=True)
    x = torch.randn(7, D, dtype=torch.float64)
    _, cost = objective._latent(x)
    torch.testing.assert_close(cost, torch.zeros_like(cost))
    torch.nn.init.normal_(objective.latent.weight)
    z, cost = objective._latent(x)
    assert (cost > 0).all()
    assert (z > 0).all()


def test_a_drawn_neuron_has_the_mean_and_slope_of_its_probability():
    torch.manual_seed(0)
    logits = torch.tensor([-2.0, 0.0, 1.0]).repeat(20_000, 1).requires_grad_()
    drawn = DoublyStochastic()(logits)
    assert set(drawn.detach().unique().tolist()) == {-1.0, 1.0}
    q = torch.sigmoid(logits[0].detach())
    torch.testing.assert_close(drawn.mean(dim=0).detach(), 2 * q - 1, atol=0.03, rtol=0)
    drawn.sum().backward()
    torch.testing.assert_close(logits.grad[0], 2 * q * (1 - q))


@pytest.mark.parametrize(
    "parameters",
    [{}, {"scale": True}, {"backbone": "mlp"}, {"derivative": "exact", "stochastic": False}],
)
def test_it_reconstructs(clusters, parameters):
    X, _ = clusters
    hasher = DeepSGH(8, epochs=30, batch_size=100, random_state=0, **parameters).fit(X)
    rest = X - hasher.decode(hasher.transform(X))
    assert (rest**2).sum() < 0.6 * ((X - X.mean(axis=0)) ** 2).sum()
    decoded = hasher.decode(hasher.transform(X[:5]))
    np.testing.assert_allclose(
        hasher.scores(X[:3], hasher.transform(X[:5])), X[:3] @ decoded.T, rtol=1e-3, atol=1e-2
    )


def test_labels_and_pairs_are_learned(clusters):
    """D.2: with pairs, codes of one class come together; the weight 0 is the basic model."""
    X, y = clusters
    X = X[:, :4] + 2 * np.random.default_rng(0).standard_normal((300, 4))
    left, right = np.random.default_rng(1).integers(0, 300, (2, 2000))
    left, right = left[left != right], right[left != right]
    pairs = hb.Pairs(left, right, y[left] == y[right])
    options = {"epochs": 30, "batch_size": 100, "random_state": 0}

    def gap(hasher):
        distances = hb.hamming(hasher.transform(X), hasher.transform(X)).astype(float)
        same = y[:, None] == y[None, :]
        return distances[~same].mean() - distances[same].mean()

    basic = DeepSGH(16, **options).fit(X)
    for given in (y, pairs):
        assert gap(DeepSGH(16, supervision=100.0, **options).fit(X, given)) > gap(basic)
    np.testing.assert_array_equal(DeepSGH(16, **options).fit(X, y).transform(X), basic.transform(X))
    with pytest.raises(hb.InputError, match="needs y"):
        DeepSGH(16, supervision=1.0).fit(X)


def test_two_classes_and_strong_supervision_give_antipodal_codes():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = rng.standard_normal((200, 6)) + 4 * y[:, None]
    hasher = DeepSGH(8, supervision=1000.0, epochs=30, batch_size=100, random_state=0).fit(X, y)
    codes = hasher.transform(X)
    distances = hb.hamming(codes, codes)
    assert distances[np.ix_(y == 0, y == 1)].mean() > 7
    assert distances[np.ix_(y == 0, y == 0)].mean() < 1


def test_saved_hashers_decode(clusters, tmp_path):
    X, _ = clusters
    hasher = DeepSGH(8, epochs=2, random_state=0).fit(X)
    hasher.save(tmp_path / "model")
    codes = hasher.transform(X)
    np.testing.assert_array_equal(hb.load(tmp_path / "model").decode(codes), hasher.decode(codes))


@pytest.mark.parametrize(
    "parameters", [{"derivative": "x"}, {"values": "x"}, {"rho": 0.0}, {"scale_deviation": 0.0}]
)
def test_impossible_parameters(parameters):
    with pytest.raises(hb.InputError):
        GaussianReconstruction(**parameters)
