"""Deep hashers as estimators: inputs, targets, saving, serving without torch."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone

import hammingbird as hb

torch = pytest.importorskip("torch")

from hammingbird.deep.hasher import DeepHasher
from hammingbird.deep.methods.hashnet import HashNet
from hammingbird.deep.methods.mihash import MIHash
from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.mutual_information import MutualInformation
from hammingbird.deep.objectives.pairwise import PairwiseLikelihood
from hammingbird.deep.objectives.quantization import Quantization
from hammingbird.deep.relaxations import Tanh
from hammingbird.deep.training import Training
from hammingbird.targets import Neighbors, Pairs, nearest_vectors

pytestmark = pytest.mark.deep

SHORT = Training(epochs=3, batch_size=64)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 96)
    pattern = rng.integers(0, 200, (3, 8, 8, 3))
    noise = rng.integers(0, 55, (96, 8, 8, 3))
    return (pattern[y] + noise).astype(np.uint8), y


def mean_precision(codes, n_bits, y):
    return hb.evaluate(
        codes,
        codes,
        n_bits=n_bits,
        query_labels=y,
        database_labels=y,
        self_rows=np.arange(len(y)),
        metrics=["map"],
    )["map"]


def test_learning_helps(clusters):
    X, y = clusters
    hasher = MIHash(8, random_state=0, epochs=10).fit(X, y)
    before = mean_precision(hb.LSH(8, random_state=0).fit(X).transform(X), 8, y)
    assert mean_precision(hasher.transform(X), 8, y) > max(0.9, before)


def test_history_names_every_term(clusters):
    objective = PairwiseLikelihood() + 0.1 * Quantization()
    hasher = DeepHasher(8, objective=objective, relaxation=Tanh(), training=SHORT, random_state=0)
    history = hasher.fit(*clusters).history_
    assert [record["epoch"] for record in history] == [1, 2, 3]
    for record in history:
        assert record["loss"] == pytest.approx(
            record["PairwiseLikelihood"] + 0.1 * record["Quantization"]
        )
        assert {"learning_rate", "J", "L"} <= record.keys()


@pytest.mark.parametrize("kind", ["sets", "pairs", "neighbors", "strings", "unlabelled"])
def test_every_kind_of_target_teaches(clusters, kind):
    X, y = clusters
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 300, (2, 6000))
    target = {
        "sets": np.eye(6, dtype=bool)[y],
        "pairs": Pairs(left, right, y[left] == y[right]),
        "neighbors": nearest_vectors(X, X, 20, exclude=np.arange(300)),
        "strings": np.array(["class " + str(label) for label in y]),
        "unlabelled": np.where(rng.random(300) < 0.3, -1, y),
    }[kind]
    training = Training(epochs=15, batch_size=128, learning_rate=1e-2)
    hasher = DeepHasher(
        8, objective=MutualInformation(), relaxation=Tanh(), training=training, random_state=0
    )
    assert mean_precision(hasher.fit(X, target).transform(X), 8, y) > 0.8


class Items(torch.utils.data.Dataset):
    def __init__(self, X, y):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, row):
        return torch.from_numpy(self.X[row]).permute(2, 0, 1), int(self.y[row])


def test_images_in_memory_mapped_and_as_a_dataset_give_the_same_codes(images, tmp_path):
    X, y = images
    items = Items(X, y)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    hasher = MIHash(8, backbone="cnn", epochs=2, batch_size=32, random_state=0)
    codes = clone(hasher).fit(X, y).transform(X)
    np.testing.assert_array_equal(clone(hasher).fit(mapped, y).transform(mapped), codes)
    for workers in (0, 2):
        from_items = clone(hasher).set_params(workers=workers).fit(items)
        np.testing.assert_array_equal(from_items.transform(items), codes)
        np.testing.assert_array_equal(from_items.transform(X), codes)
    loader = torch.utils.data.DataLoader(items, batch_size=7)
    np.testing.assert_array_equal(from_items.transform(loader), codes)


def test_memory_is_bounded_by_the_batch(tmp_path):
    n, d = 100_000, 256
    mapped = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n, d))
    rng = np.random.default_rng(0)
    for start in range(0, n, 10_000):
        mapped[start : start + 10_000] = rng.standard_normal((10_000, d), np.float32)
    y = (np.asarray(mapped[:, 0]) > 0).astype(np.int64)
    tracemalloc.start()
    try:
        hasher = MIHash(8, epochs=1, batch_size=1024, random_state=0).fit(mapped, y)
        hasher.transform(mapped)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < mapped.nbytes / 4


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bfloat16"},
        {"channels_last": False},
        pytest.param({"compile": True}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch.compile's own
def test_faster_ways_of_training_learn_as_well(images, options):
    X, y = images
    options = {"epochs": 8, "batch_size": 32, "augment": False, **options}
    hasher = MIHash(8, backbone="cnn", random_state=0, **options)
    assert mean_precision(hasher.fit(X, y).transform(X), 8, y) > 0.8


def test_convolutional_networks_learn_and_come_back_from_disk(images, tmp_path):
    X, y = images
    hasher = MIHash(8, backbone="cnn", epochs=8, batch_size=32, augment=False, random_state=0).fit(
        X, y
    )
    assert mean_precision(hasher.transform(X), 8, y) > 0.8
    hasher.save(tmp_path / "model")
    loaded = hb.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(X), hasher.transform(X))
    with pytest.raises(hb.InputError, match="images must be"):
        loaded.transform(X[:, :4])


def test_a_network_of_the_users_own_is_given_again_after_loading(clusters, tmp_path):
    X, y = clusters
    body = torch.nn.Sequential(torch.nn.Linear(20, 16), torch.nn.ReLU())
    hasher = MIHash(8, backbone=body, epochs=2, random_state=0).fit(X, y)
    hasher.save(tmp_path / "model")
    loaded = hb.load(tmp_path / "model")
    with pytest.raises(hb.InputError, match="give it again"):
        loaded.transform(X)
    loaded.set_params(backbone=body)
    np.testing.assert_array_equal(loaded.transform(X), hasher.transform(X))


def test_a_hasher_of_own_parts_comes_back_from_disk(clusters, tmp_path):
    X, y = clusters
    hasher = DeepHasher(8, objective=MutualInformation(), training=SHORT, backbone="mlp")
    hasher.fit(X, y).save(tmp_path / "model")
    np.testing.assert_array_equal(hb.load(tmp_path / "model").transform(X), hasher.transform(X))


def test_linear_hashers_serve_without_torch(clusters, tmp_path):
    X, y = clusters
    hasher = HashNet(12, epochs=2, random_state=0).fit(X, y)
    linear = hasher.to_linear()
    np.testing.assert_array_equal(linear.project(X), hasher.project(X))
    linear.save(tmp_path / "model")
    np.save(tmp_path / "X.npy", X)
    script = (
        "import sys, numpy as np, hammingbird as hb\n"
        "codes = hb.load(sys.argv[1] + '/model').transform(np.load(sys.argv[1] + '/X.npy'))\n"
        "assert 'torch' not in sys.modules\n"
        "np.save(sys.argv[1] + '/codes.npy', codes)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), hasher.transform(X))
    with pytest.raises(hb.InputError, match="backbone=None"):
        HashNet(12, backbone="mlp", epochs=1).fit(X, y).to_linear()


class Divergent(Objective):
    def forward(self, batch):
        return batch.logits.square().sum() / 0.0


def test_bad_input_is_named(clusters):
    X, y = clusters
    with pytest.raises(hb.InputError, match="needs y"):
        HashNet(8).fit(X)
    with pytest.raises(hb.InputError, match="one class"):
        HashNet(8).fit(X, np.zeros(300))
    with pytest.raises(hb.InputError, match="Divergent became"):
        DeepHasher(8, objective=Divergent() + PairwiseLikelihood(), training=SHORT).fit(X, y)
    with pytest.raises(hb.InputError, match="must be an Objective"):
        DeepHasher(8, objective="mihash").fit(X, y)
    with pytest.raises(hb.InputError, match="backbone must be"):
        HashNet(8, backbone="resnet").fit(X, y)
    with pytest.raises(hb.InputError, match="needs images"):
        HashNet(8, backbone="cnn").fit(X, y)
    with pytest.raises(hb.MissingExtraError, match=r"hammingbird\[timm\]"):
        HashNet(8, backbone="timm:resnet18").fit(X.reshape(-1, 2, 2, 5), y)
    with pytest.raises(hb.InputError, match="a label or a label set"):
        HashNet(8).fit(X, y[:5])
    with pytest.raises(hb.InputError, match="label sets of one class"):
        HashNet(8).fit(X, (y == 0)[:, None].astype(int))
    with pytest.raises(hb.InputError, match="rows 0 to 299"):
        HashNet(8).fit(X, Pairs(np.array([0]), np.array([300]), np.array([True])))
    with pytest.raises(hb.InputError, match="nearest rows"):
        HashNet(8).fit(X, Neighbors(np.zeros((3, 2), np.int64), np.zeros((3, 2))))
    with pytest.raises(hb.InputError, match="both as similar and as dissimilar"):
        HashNet(8).fit(X, Pairs(np.array([0, 1]), np.array([1, 0]), np.array([True, False])))
    pairs = Pairs(np.array([0, 1]), np.array([1, 2]), np.array([True, False]))
    with pytest.raises(hb.InputError, match="needs labels"):
        HashNet(8, similarity="jaccard").fit(X, pairs)
    with pytest.raises(TypeError, match="has no parameter 'epoch'"):
        HashNet(8, epoch=3)


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": 0.0},
        {"schedule": "cosine"},
        {"validation": 1.0},
        {"patience": 3},
        {"weight_decay": -1.0},
        {"device": "abacus"},
    ],
)
def test_bad_training_options_are_refused(clusters, options):
    with pytest.raises(hb.InputError, match=next(iter(options))):
        HashNet(8, **options).fit(*clusters)
