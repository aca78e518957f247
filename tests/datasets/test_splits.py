import numpy as np
import pytest

from hammingbird.datasets.bundled import digits
from hammingbird.datasets.splits import (
    SPLITS,
    Split,
    center_unit,
    cifar_1,
    cifar_2,
    cifar_54k,
    hashnet,
    imagenet100,
    labelme,
    nus_1,
    nus_2,
)
from hammingbird.errors import InputError

LABELS = np.random.default_rng(0).permutation(np.arange(600) % 5)


def label_sets(n=3000, c=6, seed=0):
    shares = np.linspace(0.6, 0.05, c)
    return (np.random.default_rng(seed).random((n, c)) < shares).astype(np.uint8)


def same(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("train", "query", "database"))


SMALL = {
    "cifar-54k": (LABELS, {"queries": 10, "train": 20}),
    "cifar-1": (LABELS, {"queries": 10, "train": 20}),
    "cifar-2": (LABELS, {"queries": 100}),
    "nus-1": (label_sets(), {"queries": 10, "train": 20}),
    "nus-2": (label_sets(), {"queries": 10}),
    "hashnet": (label_sets(), {"queries": 50, "train": 100}),
    "imagenet100": (LABELS, {"queries": 100, "train": 20}),
    "labelme": (LABELS, {"queries": 100, "train": 200}),
}


@pytest.mark.parametrize("name", SPLITS)
def test_every_protocol_keeps_its_word(name):
    labels, sizes = SMALL[name]
    split = SPLITS[name](labels, 3, **sizes)
    assert split.check() is split
    assert split.train_in_database == (name != "cifar-54k")
    assert same(split, SPLITS[name](labels, 3, **sizes))
    if name != "cifar-2":
        assert not same(split, SPLITS[name](labels, 4, **sizes))
    for rows in (split.train, split.query, split.database):
        assert len(np.unique(rows)) == len(rows)
        assert rows.dtype == np.int64
        assert rows.min() >= 0
        assert rows.max() < len(labels)


def test_cifar_sizes_and_balance():
    small, large = (f(LABELS, 1, queries=10, train=20) for f in (cifar_54k, cifar_1))
    assert np.array_equal(small.query, large.query)
    assert np.array_equal(small.train, large.train)
    assert len(small.database) == 600 - 150
    assert len(large.database) == 600 - 50
    assert np.bincount(LABELS[small.query]).tolist() == [10] * 5
    assert np.bincount(LABELS[small.train]).tolist() == [20] * 5


def test_published_sizes():
    cifar = np.arange(60_000) % 10
    sizes = {
        cifar_54k: (5_000, 1_000, 54_000),
        cifar_1: (5_000, 1_000, 59_000),
        cifar_2: (50_000, 10_000, 50_000),
    }
    for protocol, expected in sizes.items():
        split = protocol(cifar)
        assert (len(split.train), len(split.query), len(split.database)) == expected
    classes = np.concatenate([np.arange(128_503) % 100, np.arange(5_000) % 100])
    for train in (100, 130):
        split = imagenet100(classes, train=train)
        assert (len(split.train), len(split.database)) == (train * 100, 128_503)
        assert np.array_equal(split.query, np.arange(128_503, 133_503))
    split = labelme(np.zeros(22_019))
    assert (len(split.train), len(split.query), len(split.database)) == (5_000, 2_000, 20_019)
    split = hashnet(np.ones((122_218, 2)))
    assert (len(split.train), len(split.query), len(split.database)) == (10_000, 5_000, 117_218)
    split = nus_1(np.eye(21)[np.arange(195_834) % 21])
    assert (len(split.train), len(split.query), len(split.database)) == (10_500, 2_100, 193_734)


def test_nus_draws_from_the_most_frequent_concept_down():
    labels = label_sets()[:, ::-1]
    split = nus_1(labels, 0, queries=10, train=20)
    frequent_first = np.argsort(-labels.sum(axis=0), kind="stable")
    for rows, count in ((split.query, 10), (split.train, 20)):
        assert len(rows) == count * 6
        for i, concept in enumerate(frequent_first):
            assert labels[rows[i * count : (i + 1) * count], concept].all()
    unlabelled = ~labels.any(axis=1)
    assert split.dropped == unlabelled.sum() > 0
    assert not unlabelled[split.database].any()
    assert len(split.database) + len(split.query) + split.dropped == len(labels)
    everything = nus_2(labels, 0, queries=10)
    assert np.array_equal(everything.query, split.query)
    assert np.array_equal(everything.train, split.database)
    assert everything.dropped == split.dropped


def test_nus_when_a_concept_runs_out():
    with pytest.raises(InputError, match=r"concept 3 has \d+ rows left, 500 are needed"):
        nus_1(label_sets(), queries=10)


def test_hashnet_drops_and_counts_the_unlabelled():
    labels = label_sets()
    labels[::7] = 0
    split = hashnet(labels, 0, queries=50, train=100)
    assert split.dropped == (~labels.any(axis=1)).sum() > len(labels) // 7
    assert len(split.database) == len(labels) - split.dropped - 50
    assert labels[split.query].any(axis=1).all()


def test_overlap_is_refused_as_in_the_released_coco_lists():
    split = Split(np.arange(5), np.arange(10, 14), np.arange(5, 20))
    with pytest.raises(InputError, match="4 queries are also in the database rows"):
        split.check()
    assert split.check(allow_overlap=True) is split
    assert not split.train_in_database
    with pytest.raises(InputError, match="2 queries are also in the train rows"):
        Split(np.arange(12), np.arange(10, 14), np.arange(20, 30)).check()


@pytest.mark.parametrize(
    ("protocol", "labels", "message"),
    [
        (cifar_1, np.arange(20) % 2, "class 0 has 10 rows left, 600 are needed"),
        (cifar_1, np.ones((5, 2)), r"one label per row \[n\], got shape \(5, 2\)"),
        (cifar_1, [], "one label per row"),
        (cifar_2, LABELS, "10000 of 600 rows cannot be the official test part"),
        (imagenet100, LABELS, "5000 of 600 rows"),
        (nus_1, LABELS, r"label sets \[n, c\], got shape \(600,\)"),
        (hashnet, label_sets(), r"the labelled rows has \d+ rows left, 15000 are needed"),
        (labelme, LABELS, "7000 are needed"),
    ],
)
def test_labels_that_do_not_fit_the_protocol(protocol, labels, message):
    with pytest.raises(InputError, match=message):
        protocol(labels)


def test_labelme_vectors_are_centred_by_the_training_rows_and_scaled():
    X = np.random.default_rng(0).random((30, 4)) + 5
    prepared = center_unit(X, np.arange(10))
    expected = X - X[:10].mean(axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(prepared, expected, atol=1e-5)
    assert not center_unit(np.ones((3, 2)), [0]).any()


def test_digits():
    train, query = digits(1)
    assert train.X.shape == (1497, 64)
    assert query.X.shape == (300, 64)
    assert query.images.shape == (300, 8, 8)
    assert train.images.dtype == np.uint8
    assert train.images.max() == 255
    assert np.array_equal(train.X, train.images.reshape(1497, 64))
    assert len(train.y) == 1497
    assert set(query.y) == set(range(10))
    assert np.array_equal(digits(1)[1].X, query.X)
    assert not np.array_equal(digits(2)[1].X, query.X)
