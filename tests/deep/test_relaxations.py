"""Relaxations of the sign, found by discovery."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch

import hammingbird as hb
from hammingbird.deep import relaxations
from hammingbird.deep.relaxations import Continuation, Relaxation, Sigmoid, StraightThrough, sign

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


def test_continuation_ends_in_the_sign_to_float_precision():
    relaxation = Continuation()
    logits = torch.tensor([[1e-3, -2.0, 0.5, 0.0]])
    torch.testing.assert_close(relaxation(logits), torch.tanh(logits))
    betas = []
    for progress in (0.0, 0.5, 0.9, 0.99, 1 - 1e-9):
        relaxation.anneal(progress)
        betas.append(relaxation.beta)
    assert betas == sorted(betas)
    assert torch.equal(relaxation(logits)[:, :3], sign(logits)[:, :3])
    relaxation.anneal(1.0)
    assert torch.equal(relaxation(logits), sign(logits))


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
    "bad", [lambda: Sigmoid(0.0), lambda: Continuation(-1.0), lambda: StraightThrough(0.0)]
)
def test_bad_parameters_are_refused(bad):
    with pytest.raises(hb.InputError, match="must be positive"):
        bad()
