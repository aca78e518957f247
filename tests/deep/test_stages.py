"""Training in stages: HashNet's Algorithm 1 and its Figure 7."""

from __future__ import annotations

import logging
from itertools import pairwise

import numpy as np
import pytest

import hammingbird as hb

torch = pytest.importorskip("torch")

from hammingbird.deep.methods.hashnet import HashNet
from hammingbird.deep.relaxations import BETAS, Continuation
from hammingbird.deep.stages import Stages, summary
from hammingbird.deep.trainer import Trainer

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def crowd():
    """More classes than 12 bits and one layer can tell apart: no code gets perfect."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 40, 2000)
    return rng.standard_normal((40, 24))[y] + rng.standard_normal((2000, 24)), y


def train(crowd, **options):
    options = {"batches": "random", "batch_size": 250, "random_state": 0, **options}
    return HashNet(12, **options).fit(*crowd)


@pytest.fixture(scope="module")
def plain(crowd):
    return train(crowd, continuation=False).history_


def gap(history):
    """L less J: what the sign adds to the loss that was trained."""
    return history[-1]["L"] - history[-1]["J"]


@pytest.mark.parametrize("epochs", [1, 3, 10, 23, 40])
@pytest.mark.parametrize("count", [1, 5, 10, 49])
def test_stages_share_the_epochs(epochs, count):
    stages = Stages(epochs, count)
    found = [stages.of(epoch) for epoch in range(epochs)]
    assert found[0] == 0
    assert found == sorted(found)
    lengths = np.bincount(found, minlength=count)
    assert lengths.max() - lengths.min() <= 1
    for epoch, stage in enumerate(found):
        assert 0 <= stages.done(stage, epoch) < stages.done(stage, epoch + 0.999) < 1
        assert (stages.done(stage, epoch) == 0) == (stage not in found[:epoch])


def test_with_stages_the_losses_before_and_after_the_sign_meet(crowd, plain):
    history = train(crowd, steepest=1024, epochs=88).history_
    steep = train(crowd, continuation=False, steepness=3.0).history_
    assert 0 <= gap(history) < 0.05 * gap(plain)
    assert gap(history) < 0.05 * gap(steep)
    assert history[-1]["L"] < plain[-1]["L"]
    late = summary(history)[5:]
    assert [stage["beta"] for stage in late] == [32, 64, 128, 256, 512, 1024]
    for stage in late:
        assert stage["J_after"] < stage["J_before"]
        assert stage["L_after"] <= stage["L_before"]
    assert late[-1]["L_after"] < 0.99 * late[0]["L_before"]


def test_with_beta_at_one_they_stay_apart(crowd, plain, monkeypatch):
    monkeypatch.setattr(Continuation, "anneal", lambda self, progress: None)
    flat = train(crowd, steepest=1024, epochs=88).history_
    assert {record["beta"] for record in flat} == {1.0}
    assert gap(flat) > 0.5 * gap(plain)


def test_every_stage_trains_and_is_logged(crowd, plain, caplog):
    with caplog.at_level(logging.INFO, logger="hammingbird"):
        history = train(crowd).history_
    assert len(history) == len(plain)
    stages = summary(history)
    assert [stage["beta"] for stage in stages] == list(BETAS)
    assert sum(stage["share"] for stage in stages) == pytest.approx(1)
    for stage in stages:
        assert stage["J_after"] < stage["J_before"]
        assert stage["L_after"] < stage["L_before"]
    for before, after in pairwise(stages):
        assert after["L_before"] == before["L_after"]  # a switch leaves the signs (Theorem 1)
        assert after["share"] == pytest.approx(before["share"] / 2, rel=0.1)
    assert gap(history) < gap(plain)
    assert [text.split(":")[0] for text in caplog.messages] == [
        f"HashNet, stage {t}, beta {beta:.4g}" for t, beta in enumerate(BETAS)
    ]


def test_every_stage_starts_again_at_a_rate_that_fits_its_beta(crowd, monkeypatch):
    rates = []
    losses = Trainer._losses

    def watch(self, batch):
        if self.network.training:
            rates.append((self.relaxation.beta, self.optimizer.param_groups[0]["lr"]))
        return losses(self, batch)

    monkeypatch.setattr(Trainer, "_losses", watch)
    train(crowd, epochs=2 * len(BETAS), learning_rate=0.1)
    betas, rates = np.array(rates).T
    for beta in BETAS:
        mine = rates[betas == beta]
        assert len(mine) == len(rates) / len(BETAS)
        assert mine.max() * beta == pytest.approx(0.1, rel=0.1)
        assert 0 < np.argmax(mine) < len(mine) // 4
        assert mine[-1] < 0.02 * mine.max()


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("options", [{}, {"validation": 0.2, "patience": 1, "learning_rate": 0.1}])
def test_a_run_stopped_within_a_stage_goes_on_to_identical_codes(
    crowd, tmp_path, monkeypatch, options
):
    options = {"epochs": 2 * len(BETAS) + 3, **options}
    whole = train(crowd, **options)
    epoch = Trainer._epoch

    def stop(self, number, rows):
        if len(self.history) == 7:
            raise StoppedError
        return epoch(self, number, rows)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_epoch", stop)
        with pytest.raises(StoppedError):
            train(crowd, checkpoint=str(tmp_path / "run"), **options)
    again = train(crowd, checkpoint=str(tmp_path / "run"), **options)
    assert again.history_ == whole.history_
    np.testing.assert_array_equal(again.transform(crowd[0]), whole.transform(crowd[0]))


def test_patience_ends_a_stage_and_the_next_one_begins(crowd):
    history = train(crowd, epochs=80, validation=0.3, patience=1, learning_rate=0.1).history_
    assert len(history) < 80
    assert {record["stage"] for record in history} == set(range(len(BETAS)))
    lengths = np.bincount([record["stage"] for record in history])
    assert lengths.min() < 80 // len(BETAS)


def test_bad_betas_are_refused(crowd):
    with pytest.raises(hb.InputError, match="steepness must be positive"):
        train(crowd, continuation=False, steepness=0.0)
    for steepest in (0.5, float("inf")):
        with pytest.raises(hb.InputError, match="steepest must be finite"):
            train(crowd, steepest=steepest)
