"""Relaxations of the sign, found by discovery."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch

import hammingbird as hb
from hammingbird.deep import relaxations
from hammingbird.deep.relaxations import (
    Continuation,
    Relaxation,
    Sigmoid,
    StraightThrough,
    Tanh,
    sign,
)

pytestmark = pytest.mark.deep

CLASSES = [
    member
    for _, member in inspect.getmembers(relaxations, inspect.isclass)
    if issubclass(member, Relaxation) and member is not Relaxation
]


@pytest.mark.parametrize("relaxation", CLASSES)
def test_it_keeps_shape_and_passes_a_gradient(relaxation):
    logits = torch.randn(5, 3, requires_grad=True)
    outputs = relaxation()(logits)
    assert outputs.shape == logits.shape
    outputs.sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().sum() > 0


def test_the_sign_agrees_with_packed_codes():
    values = torch.tensor([[0.0, -0.0, 1e-30, -1e-30, 3.0, -3.0, math.inf, -math.inf]])
    np.testing.assert_array_equal(sign(values).numpy(), hb.unpack(hb.pack(values.numpy()), 8))


def test_continuation_steepens_in_stages_and_slows_the_steps():
    relaxation = Continuation()
    logits = torch.randn(5, 3)
    torch.testing.assert_close(relaxation(logits), torch.tanh(logits))
    found = []
    for epoch in range(20):
        relaxation.anneal(epoch / 20)
        found.append((relaxation.beta, relaxation.pace))
    assert found == [(beta, 1 / beta) for beta in relaxations.BETAS for _ in range(4)]
    relaxation.anneal(1.0)
    assert torch.equal(sign(relaxation(logits)), sign(logits))  # Theorem 1
    assert relaxations.doubling(16) == list(relaxations.BETAS)
    assert relaxations.doubling(5) == [1, 2, 4, 5]
    assert relaxations.doubling(1) == [1]
    steep = logits.abs() > 1
    assert steep.any()
    torch.testing.assert_close(relaxation(logits)[steep], sign(logits)[steep])
    for count in range(1, 60):  # no stage is missed for the sake of a rounded share
        relaxation = Continuation(range(1, count + 1))
        for stage in range(count):
            relaxation.anneal(stage / count)
            assert relaxation.beta == stage + 1


def test_straight_through_is_the_sign_exactly_and_clips_the_gradient():
    logits = torch.tensor([[1e8, -1e-8, 0.0, 0.3, -2.0]], requires_grad=True)
    outputs = StraightThrough(clip=1.0)(logits)
    assert torch.equal(outputs, sign(logits))
    outputs.sum().backward()
    assert logits.grad.tolist() == [[0.0, 1.0, 1.0, 1.0, 0.0]]


def test_sigmoid_is_the_papers_formula():
    logits = torch.randn(4, 3)
    torch.testing.assert_close(Sigmoid(3.0)(logits), 2 * torch.sigmoid(3.0 * logits) - 1)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Sigmoid(0.0),
        lambda: Tanh(-1.0),
        lambda: Continuation([0.0, 1.0]),
        lambda: Continuation([]),
        lambda: Continuation([1.0, 2.0, 2.0]),
        lambda: StraightThrough(0.0),
    ],
)
def test_bad_parameters_are_refused(bad):
    with pytest.raises(hb.InputError, match="must be positive"):
        bad()
