"""Every objective keeps the contract, found by discovery."""

from __future__ import annotations

import copy
import inspect
import pkgutil
from importlib import import_module

import pytest

torch = pytest.importorskip("torch")

import hammingbird.deep.objectives as room
from hammingbird.deep.objective import Batch, Objective, Problem
from hammingbird.deep.relaxations import sign

pytestmark = pytest.mark.deep

M, K, D, C = 24, 16, 10, 4


def discovered():
    for module in pkgutil.iter_modules(room.__path__):
        loaded = import_module(f"{room.__name__}.{module.name}")
        for _, member in inspect.getmembers(loaded, inspect.isclass):
            own = member.__module__ == loaded.__name__
            if own and issubclass(member, Objective) and "forward" in vars(member):
                yield pytest.param(member, id=member.__name__)


@pytest.fixture(params=discovered())
def objective(request):
    torch.manual_seed(0)
    made = request.param()
    made.prepare(problem())
    return made


def labels():
    return torch.arange(M) % C


def inputs():
    torch.manual_seed(1)
    return 3 * torch.randn(C, D)[labels()] + torch.randn(M, D)


def problem():
    return Problem(
        n_rows=M, n_bits=K, n_features=D, n_classes=C, y=labels(), mean=inputs().mean(dim=0)
    )


def batch(logits, outputs=None, rows=None, y=None):
    rows = torch.arange(M) if rows is None else rows
    y = labels() if y is None else y
    outputs = torch.tanh(logits) if outputs is None else outputs
    return Batch(logits=logits, outputs=outputs, index=rows, X=inputs()[rows], y=y[rows])


def learned(objective):
    """Codes, one per class, that the objective itself asks for; found by descent."""
    torch.manual_seed(2)
    objective = copy.deepcopy(objective).train()
    free = (0.1 * torch.randn(C, K)).requires_grad_()
    optimizer = torch.optim.Adam([free, *objective.parameters()], 0.05)
    for step in range(150):
        torch.manual_seed(step)
        optimizer.zero_grad()
        objective(batch(free[labels()])).backward()
        optimizer.step()
        if step % 50 == 49:
            objective.epoch_end()
    return objective.eval(), free[labels()].detach()


def test_it_is_a_finite_scalar_with_a_gradient(objective):
    logits = torch.randn(M, K, requires_grad=True)
    value = objective(batch(logits))
    assert value.shape == ()
    value.backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e4])
def test_gradients_are_finite_for_dead_and_saturated_codes(objective, size):
    logits = (size * sign(torch.randn(M, K))).requires_grad_()
    for outputs in (None, sign(logits).detach() + logits - logits.detach()):
        value = objective(batch(logits, outputs))
        assert torch.isfinite(value)
        (gradient,) = torch.autograd.grad(value, logits, allow_unused=True)
        assert gradient is None or torch.isfinite(gradient).all()


def test_no_row_that_can_teach_is_no_error(objective):
    if objective.needs == "nothing":
        pytest.skip("needs no targets")
    logits = torch.randn(M, K, requires_grad=True)
    for y in (torch.zeros(M, dtype=torch.int64), torch.full((M,), -1)):
        value = objective(batch(logits, y=y))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(logits.grad).all()


def test_perfect_codes_score_better_than_random_codes(objective):
    objective, logits = learned(objective)
    with torch.no_grad():
        perfect = objective(batch(logits))
        if objective.needs == "nothing":
            torch.manual_seed(3)
            assert perfect < objective(batch(torch.randn(M, K)))
        else:
            torch.manual_seed(3)
            assert perfect < objective(batch(logits[torch.randperm(M)])) - 1e-4


def test_the_order_of_the_batch_changes_nothing(objective):
    objective, _ = learned(objective)
    logits = torch.randn(M, K)
    order = torch.randperm(M)
    with torch.no_grad():
        torch.testing.assert_close(
            objective(batch(logits)), objective(batch(logits[order], rows=order))
        )


def test_evaluation_changes_no_state(objective):
    objective, logits = learned(objective)
    before = copy.deepcopy(objective.state_dict())
    objective(batch(-logits))
    for name, value in objective.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_sums_are_weighted_and_named(objective):
    logits = torch.randn(M, K)
    objective.eval()
    both = objective + 0.5 * objective
    name = type(objective).__name__
    assert [term[:2] for term in both.terms()] == [(name, 1.0), (f"{name}2", 0.5)]
    with torch.no_grad():
        torch.testing.assert_close(both(batch(logits)), 1.5 * objective(batch(logits)))
