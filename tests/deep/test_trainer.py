"""The training loop: batches, validation, checkpoints that survive kill -9."""

from __future__ import annotations

import multiprocessing
import os
import signal

import numpy as np
import pytest

import hammingbird as hb

torch = pytest.importorskip("torch")

from hammingbird.deep import supervision
from hammingbird.deep.batches import COMPANY, draws_aware, epoch_batches, similar_rows_met
from hammingbird.deep.checkpoint import Checkpoints
from hammingbird.deep.hasher import DeepHasher
from hammingbird.deep.methods.csq import CSQ
from hammingbird.deep.methods.mihash import MIHash
from hammingbird.deep.objectives.mutual_information import MutualInformation
from hammingbird.deep.source import ArraySource, DatasetSource, SomeRows
from hammingbird.deep.supervision import supervise
from hammingbird.deep.training import Training
from hammingbird.targets import Neighbors, Pairs, Triplets, nearest_vectors

pytestmark = pytest.mark.deep


def draws(y, n=200, size=32, aware=True, rows=None):
    rows = np.arange(n) if rows is None else rows
    return epoch_batches(supervise(y, n), rows, size, np.random.default_rng(0), aware=aware)


@pytest.mark.parametrize("aware", [False, True])
def test_an_epoch_holds_every_row_once(aware):
    y = np.random.default_rng(0).integers(-1, 20, 200)
    batches = draws(y, aware=aware)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([b.rows for b in batches])), np.arange(200)
    )
    assert max(len(b.rows) for b in batches) - min(len(b.rows) for b in batches) <= 1


def test_aware_batches_hold_company():
    y = np.arange(400) % 50
    assert draws_aware(supervise(y, 400), 32, "auto", compared=True)
    assert not draws_aware(supervise(y % 2, 400), 32, "auto", compared=True)
    for batch in draws(y, n=400):
        counts = np.bincount(y[batch.rows])
        assert np.median(counts[counts > 0]) >= COMPANY - 1
    sets = np.eye(50, dtype=bool)[y]
    assert len(draws(sets, n=400)) == len(draws(y, n=400))


def dissimilar_per_similar(y, batches):
    """Pairs with different labels for each with the same, over all batches."""
    similar = pairs = 0
    for batch in batches:
        same = y[batch.rows][:, None] == y[batch.rows]
        similar += same.sum() - len(same)
        pairs += same.size - len(same)
    return pairs / similar - 1


def test_random_batches_are_the_default_and_have_the_data_s_pairs():
    y = np.random.default_rng(1).permutation(np.arange(5000) % 100)
    found = {aware: dissimilar_per_similar(y, draws(y, 5000, 256, aware)) for aware in (0, 1)}
    assert found[False] == pytest.approx(99, rel=0.1)
    assert found[True] < 40
    for method in hb.METHODS.values():
        if method.extra == "deep" and "batches" in (known := method.make().get_params()):
            ours = method.name == "deep-distilled"  # neighbours of its own making
            assert known["batches"] == ("aware" if ours else "random"), method.name


@pytest.mark.parametrize(
    ("y", "size", "met"),
    [
        (np.arange(400) % 50, 32, 32 * 7 / 399),
        (np.eye(50, dtype=int)[np.arange(400) % 50], 32, 32 * 7 / 399),
        (np.where(np.arange(400) < 200, np.arange(400) % 25, -1), 32, 32 * 7 / 399 / 2),
        (Neighbors(np.arange(1, 801).reshape(400, 2) % 400, np.zeros((400, 2))), 50, 0.5),
        (None, 32, np.inf),
    ],
)
def test_similar_rows_met(y, size, met):
    assert similar_rows_met(supervise(y, 400), size) == pytest.approx(met)


def test_random_batches_without_similar_rows_warn(caplog):
    X = np.random.default_rng(0).standard_normal((400, 8))
    y = np.arange(400) % 200
    MIHash(8, epochs=1, batch_size=32, random_state=0).fit(X, y)
    assert "batches='aware'" in caplog.text
    caplog.clear()
    MIHash(8, epochs=1, batch_size=32, batches="aware", random_state=0).fit(X, y)
    MIHash(8, epochs=1, batch_size=32, random_state=0).fit(X, y % 5)
    CSQ(8, epochs=1, batch_size=32, random_state=0).fit(X, y)  # compares no rows
    assert "batches='aware'" not in caplog.text


def test_neighbourhoods_hold_each_row_with_some_of_its_neighbours():
    X = np.random.default_rng(0).standard_normal((200, 3))
    near = nearest_vectors(X, X, 10, exclude=np.arange(200))
    rows = np.arange(0, 200, 2)
    batches = draws(near, rows=rows)
    assert np.isin(rows, np.concatenate([b.rows for b in batches])).all()
    for batch in batches:
        assert np.isin(batch.rows, rows).all()
        assert len(np.unique(batch.rows)) == len(batch.rows)


def test_pairs_and_triplets_are_never_torn_apart():
    rng = np.random.default_rng(0)
    a, b, c = rng.permuted(np.tile(np.arange(200), (50, 1)), axis=1)[:, :3].T
    given = {tuple(sorted(pair)) for pair in zip(a, b, strict=True)}
    for batch in draws(Pairs(a, b, np.ones(50, bool))):
        given -= {p for p in given if set(p) <= set(batch.rows.tolist())}
    assert not given
    seen = [batch.rows[batch.triplets] for batch in draws(Triplets(a, b, c))]
    assert sorted(map(tuple, np.concatenate(seen))) == sorted(zip(a, b, c, strict=True))


@pytest.mark.parametrize("dense", [0, supervision.DENSE])
def test_relations_know_what_was_said_and_nothing_else(dense, monkeypatch):
    monkeypatch.setattr(supervision, "DENSE", dense)
    relation = supervise(
        Pairs(np.array([0, 1]), np.array([1, 2]), np.array([True, False])), 5
    ).relation
    rows = torch.tensor([2, 1, 0, 4])
    similar, known = relation.lookup(rows, rows)
    expected = np.zeros((4, 4), bool)
    expected[0, 1] = expected[1, 0] = expected[1, 2] = expected[2, 1] = True
    np.testing.assert_array_equal(known, expected)
    assert similar[1, 2]
    assert not similar[0, 1]


def test_a_table_of_pairs_says_what_the_list_says(monkeypatch):
    rng = np.random.default_rng(0)
    ids = np.array([rng.permutation(50)[:6] for _ in range(50)])
    ids[rng.random(ids.shape) < 0.2] = -1
    rows, others = torch.from_numpy(rng.integers(0, 50, 20)), torch.arange(50)
    pairs = Pairs(np.arange(49), np.arange(1, 50), rng.random(49) < 0.5)
    for y in (Neighbors(ids, ids), pairs):
        answers = []
        for dense in (0, supervision.DENSE):
            monkeypatch.setattr(supervision, "DENSE", dense)
            answers.append(supervise(y, 50).relation.lookup(rows, others))
        for by_list, by_table in zip(*answers, strict=True):
            np.testing.assert_array_equal(by_list, by_table)


def test_the_learning_rate_follows_its_schedule():
    rates = [Training(learning_rate=1.0).rate(p) for p in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.0)
    assert np.argmax(rates) == 10
    assert Training(learning_rate=1.0, schedule="step").rate(0.5) == 0.25
    assert Training(learning_rate=1.0, schedule="constant").rate(0.9) == 1.0


def test_validation_keeps_the_best_epoch_and_stops(clusters):
    X, y = clusters
    hasher = MIHash(8, epochs=30, validation=0.3, patience=2, learning_rate=0.1, random_state=0)
    losses = [record["L"] for record in hasher.fit(X, y).history_]
    assert len(losses) < 30
    assert len(losses) - 1 - int(np.argmin(losses)) == 2


def long_run(folder=None):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 400)
    X = rng.standard_normal((4, 10))[y] + rng.standard_normal((400, 10))
    hasher = MIHash(
        8,
        backbone="mlp",
        epochs=6,
        batch_size=40,
        validation=0.2,
        checkpoint=folder,
        random_state=0,
    )
    return hasher.fit(X, y).project(X)


def killed_run(folder):
    """Train until three epochs are behind, then die in the middle of the fourth."""
    from hammingbird.deep.trainer import Trainer

    step = Trainer._losses

    def deadly(self, batch):
        if len(self.history) == 3 and len(batch.logits) and self.network.training:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch)

    Trainer._losses = deadly
    long_run(folder)


def test_a_killed_run_goes_on_to_identical_codes(tmp_path):
    process = multiprocessing.get_context("spawn").Process(
        target=killed_run, args=(str(tmp_path / "run"),)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["epoch-00003"]
    np.testing.assert_array_equal(long_run(str(tmp_path / "run")), long_run())


def test_checkpoints_of_other_runs_and_broken_ones_are_not_used(clusters, tmp_path):
    X, y = clusters
    settings = {"epochs": 2, "checkpoint": str(tmp_path / "run")}
    with pytest.raises(hb.InputError, match="integer random_state"):
        MIHash(8, **settings).fit(X, y)
    codes = MIHash(8, random_state=0, **settings).fit(X, y).transform(X)
    np.testing.assert_array_equal(
        MIHash(8, random_state=0, **settings).fit(X, y).transform(X), codes
    )
    for other in (
        {"n_bits": 9},
        {"batch_size": 32},
        {"random_state": 1},
        {"gamma": 3.0},
        {"n_bins": 4},
        {"posterior": "added"},
    ):
        with pytest.raises(hb.FileError, match="other data or parameters"):
            MIHash(**{"n_bits": 8, "random_state": 0, **settings, **other}).fit(X, y)
    for data in ((X + 1, y), (X, np.roll(y, 1)), (X, nearest_vectors(X, X, 9))):
        with pytest.raises(hb.FileError, match="other data or parameters"):
            MIHash(8, random_state=0, **settings).fit(*data)
    state = next((tmp_path / "run").glob("epoch-*")) / "state.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    np.testing.assert_array_equal(
        MIHash(8, random_state=0, **settings).fit(X, y).transform(X), codes
    )


class Late(MutualInformation):
    """Divides by zero in the second epoch."""

    def epoch_end(self):
        self.ended = True

    def forward(self, batch):
        value = super().forward(batch)
        return value / 0.0 if getattr(self, "ended", False) and self.training else value


def test_a_loss_that_is_not_finite_is_named_and_the_last_good_checkpoint_kept(clusters, tmp_path):
    training = Training(epochs=4, checkpoint=str(tmp_path / "run"))
    hasher = DeepHasher(8, objective=Late(), training=training, random_state=0)
    with pytest.raises(hb.InputError, match=r"Late became -?inf in epoch 2.*epoch-00001"):
        hasher.fit(*clusters)
    assert (tmp_path / "run" / "epoch-00001" / "checkpoint.json").exists()


def test_exploding_weights_are_noticed(clusters):
    options = {"optimizer": "sgd", "schedule": "constant", "learning_rate": 1e38}
    with pytest.raises(hb.InputError, match="the network's output became"):
        MIHash(8, random_state=0, epochs=4, **options).fit(*clusters)


class Pictures(torch.utils.data.Dataset):
    """Images with labels, shifted at random if asked."""

    def __init__(self, X, *, shaken=False):
        self.X, self.shaken = X, shaken

    def __len__(self):
        return len(self.X)

    def __getitem__(self, row):
        return self.X[row] + (torch.rand(()) if self.shaken else 0), row % 2


@pytest.mark.parametrize("shaken", [False, True])
def test_every_byte_of_a_dataset_counts(shaken):
    X = torch.from_numpy(np.random.default_rng(0).standard_normal((3000, 4)))
    torch.manual_seed(0)
    state = torch.get_rng_state()
    name = DatasetSource(Pictures(X, shaken=shaken)).fingerprint()
    assert DatasetSource(Pictures(X.clone(), shaken=shaken)).fingerprint() == name
    assert torch.equal(torch.get_rng_state(), state)
    other = X.clone()
    other[1501, 2] += 1
    assert DatasetSource(Pictures(other, shaken=shaken)).fingerprint() != name
    inside = torch.utils.data.Subset(Pictures(other, shaken=shaken), range(3000))
    assert DatasetSource(inside).fingerprint() != name


def test_every_row_of_a_part_counts():
    X = np.random.default_rng(0).standard_normal((9000, 3))
    rows = np.arange(5000)
    name = SomeRows(ArraySource(X), rows).fingerprint()
    assert SomeRows(ArraySource(X), rows + 1).fingerprint() != name
    other = X.copy()
    other[1, 0] += 1
    assert SomeRows(ArraySource(other), rows).fingerprint() != name


def test_checkpoints_of_other_data_are_refused_wherever_they_differ(tmp_path):
    X = np.random.default_rng(0).standard_normal((9000, 3))
    y = np.arange(9000) % 3
    settings = {"epochs": 1, "random_state": 0, "checkpoint": str(tmp_path / "run")}
    MIHash(4, **settings).fit(X, y)
    X[1, 0] += 1
    with pytest.raises(hb.FileError, match="other data"):
        MIHash(4, **settings).fit(X, y)


def test_a_checkpoint_written_again_stays(tmp_path):
    for _ in range(2):
        Checkpoints(tmp_path, {}).write({"a": torch.zeros(2)}, [{"loss": 1.0}])
    assert Checkpoints(tmp_path, {}).read()[1] == [{"loss": 1.0}]
