"""Hashing with Mutual Information: Tables 1 to 5."""

from __future__ import annotations

from hammingbird.papers.published import NUS_21, nus_21_all
from hammingbird.papers.sources import (
    cifar_1_features,
    cifar_2_features,
    gist,
    imagenet100_features,
    tmc2007,
    tmc2007_all,
)
from hammingbird.papers.tables import Row, Table

CIFAR_1 = Table(
    "mihash-table1",
    cifar_1_features,
    "cifar-1, VGG-F",
    "map",
    (12, 24, 32, 48),
    (
        Row("sh", (0.183, 0.164, 0.161, 0.161)),
        Row("itq", (0.237, 0.246, 0.255, 0.261)),
        Row("splh", (0.299, 0.330, 0.335, 0.330)),
        Row("ksh", (0.488, 0.539, 0.548, 0.563)),
        Row("sdh", (0.478, 0.557, 0.584, 0.592)),
        Row("fasthash", (0.553, 0.607, 0.619, 0.636)),
        Row("structhash", (0.664, 0.693, 0.691, 0.700)),
        Row("vdsh", (0.538, 0.541, 0.545, 0.548)),
        Row("dpsh", (0.713, 0.727, 0.744, 0.757)),
        Row("dtsh", (0.710, 0.750, 0.765, 0.774)),
        Row("mihash", (0.738, 0.775, 0.791, 0.816)),
    ),
)

CIFAR_2 = Table(
    "mihash-table2",
    cifar_2_features,
    "cifar-2, VGG-F",
    "map",
    (16, 24, 32, 48),
    (
        Row("splh", None),
        Row("ksh", None),
        Row("sdh", None),
        Row("fasthash", None),
        Row("structhash", None),
        Row("drsh", (0.608, 0.611, 0.617, 0.618)),
        Row("drsch", (0.615, 0.622, 0.629, 0.631)),
        # A bank of 50,000 rows: an epoch takes 17 s of one core.
        Row("dpsh", (0.903, 0.885, 0.915, 0.911), {"epochs": 10}),
        Row("dtsh", (0.915, 0.923, 0.925, 0.926)),
        Row("mihash", (0.927, 0.938, 0.942, 0.943)),
    ),
)

NUS_1 = Table(
    "mihash-table1-nus",
    NUS_21,
    "nus-1, VGG-F",
    "map@5000",
    (12, 24, 32, 48),
    (
        Row("sh", (0.621, 0.616, 0.615, 0.612)),
        Row("itq", (0.719, 0.739, 0.747, 0.756)),
        Row("splh", (0.753, 0.775, 0.783, 0.786)),
        Row("ksh", (0.768, 0.804, 0.815, 0.824)),
        Row("sdh", (0.780, 0.804, 0.816, 0.824)),
        Row("fasthash", (0.779, 0.807, 0.816, 0.825)),
        Row("structhash", (0.748, 0.772, 0.790, 0.801)),
        Row("vdsh", (0.769, 0.796, 0.803, 0.807)),
        Row("dpsh", (0.758, 0.793, 0.818, 0.830)),
        Row("dtsh", (0.773, 0.813, 0.820, 0.838)),
        Row("mihash", (0.773, 0.820, 0.831, 0.843)),
    ),
    stand_in=tmc2007,
)

NUS_2 = Table(
    "mihash-table2-nus",
    nus_21_all,
    "nus-2, VGG-F",
    "map@50000",
    (16, 24, 32, 48),
    (
        Row("drsh", (0.609, 0.618, 0.621, 0.631)),
        Row("drsch", (0.715, 0.722, 0.736, 0.741)),
        Row("dpsh", (0.715, 0.722, 0.736, 0.741)),
        Row("dtsh", (0.756, 0.776, 0.785, 0.799)),
        Row("mihash", (0.798, 0.814, 0.819, 0.820)),
    ),
    stand_in=tmc2007_all,
)

IMAGENET100 = Table(
    "mihash-table3",
    imagenet100_features,
    "ImageNet-100, AlexNet",
    "map@1000",
    (16, 32, 48, 64),
    (
        Row("dtsh", (0.458, 0.566, 0.611, 0.644)),
        Row("hashnet", (0.506, 0.630, 0.663, 0.683)),
        Row("mihash", (0.569, 0.661, 0.685, 0.694)),
    ),
)

LABELME = Table(
    "mihash-table4",
    gist,
    "22K LabelMe, GIST",
    "map",
    (16, 32, 48, 64),
    (
        Row("splh", None),
        Row("ksh", None),
        Row("sdh", None),
        Row("dpsh", (0.295, 0.346, 0.391, 0.427)),
        Row("dtsh", (0.304, 0.342, 0.361, 0.378)),
        Row("fasthash", (0.324, 0.394, 0.433, 0.456)),
        Row("structhash", (0.369, 0.474, 0.538, 0.582)),
        Row("mihash", (0.384, 0.496, 0.554, 0.598)),
    ),
    relevance="percentile:5",
)

ABLATION = Table(
    "mihash-table5",
    cifar_1_features,
    "cifar-1, VGG-F",
    "map",
    (32,),
    (
        Row("mihash", (0.791,), {"gamma": 1.0}),
        Row("mihash", (0.768,), {"gamma": 5.0}),
        Row("mihash", (0.749,), {"gamma": 10.0}),
        Row("mihash", (0.776,), {"gamma": 20.0}),
        Row("mihash", (0.771,), {"gamma": 1.0, "batch_size": 64}),
        Row("mihash", (0.765,), {"gamma": 1.0, "batch_size": 128}),
        Row("mihash", (0.791,), {"gamma": 1.0, "batch_size": 256}),
        Row("mihash", (0.783,), {"gamma": 1.0, "batch_size": 512}),
    ),
)
