"""Training on two processes gives what one process gives."""

from __future__ import annotations

import multiprocessing
import os
import socket

import numpy as np
import pytest

from hammingbird.deep.hasher import DeepHasher
from hammingbird.deep.objectives.classification import Classification
from hammingbird.deep.objectives.mutual_information import MutualInformation
from hammingbird.deep.relaxations import Tanh
from hammingbird.deep.training import Training

pytestmark = pytest.mark.deep


def scores():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 101)
    X = rng.standard_normal((4, 10))[y] + rng.standard_normal((101, 10))
    objective = MutualInformation() + 0.1 * Classification()
    training = Training(epochs=3, batch_size=25, optimizer="sgd", learning_rate=0.5)
    hasher = DeepHasher(
        8, objective=objective, relaxation=Tanh(), training=training, random_state=0
    )
    return hasher.fit(X, y).project(X)


def one_of_two(rank, port, out):
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        OMP_NUM_THREADS="1",
    )
    np.save(out, scores())


def test_two_processes_learn_from_pairs_across_them(tmp_path):
    pytest.importorskip("accelerate")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    outs = [tmp_path / f"{rank}.npy" for rank in (0, 1)]
    running = [
        spawn.Process(target=one_of_two, args=(rank, port, out)) for rank, out in enumerate(outs)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0, 0]
    first, second = (np.load(out) for out in outs)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, scores(), atol=1e-3)
