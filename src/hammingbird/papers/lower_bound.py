"""A Lower Bound of Hash Codes' Performance: Tables 1 and 2 of its appendix, Figure 9."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hammingbird.papers.curves import Curves
from hammingbird.papers.published import NUS_21
from hammingbird.papers.sources import cifar_1_features, imagenet100_features, tmc2007
from hammingbird.papers.tables import Row, Table

HOSTS = Table(
    "lower-bound-table1",
    imagenet100_features,
    "ImageNet, frozen network",
    "map@1000",
    (16, 32, 64),
    (
        Row("hashnet", (0.369, 0.412, 0.447)),
        Row("hashnet_d", (0.550, 0.561, 0.618)),
        Row("dbdh", (0.374, 0.411, 0.491)),
        Row("dbdh_d", (0.572, 0.579, 0.604)),
        Row("dsdh", (0.393, 0.484, 0.542)),
        Row("dsdh_d", (0.560, 0.591, 0.620)),
        Row("dch", (0.602, 0.623, 0.641)),
        Row("dch_d", (0.619, 0.629, 0.644)),
        Row("greedyhash", (0.627, 0.631, 0.649)),
        Row("greedyhash_d", (0.631, 0.640, 0.659)),
        Row("csq", (0.646, 0.650, 0.657)),
        Row("csq_d", (0.657, 0.662, 0.664)),
        Row("hashnet_d+", None),
        Row("csq+", None),
        Row("dbdh+", None),
    ),
)

CURVES = Curves("lower-bound-fig9", HOSTS, 64)
HOSTS_MLP = replace(HOSTS, name="lower-bound-table1-mlp", parameters={"backbone": "mlp"})

BITS = (16, 32, 48)

CIFAR_CENTERS = Table(
    "lower-bound-table2-cifar",
    cifar_1_features,
    "CIFAR-10",
    "map",
    BITS,
    (
        Row("csq_d", (0.877, 0.890, 0.898), {"centers": "reed_solomon"}),
        Row("csq_d", (0.883, 0.892, 0.899), {"centers": "bch"}),
        Row("csq_d", (0.887, 0.892, 0.895), {"centers": "hadamard"}),
    ),
)

IMAGENET_CENTERS = Table(
    "lower-bound-table2-imagenet",
    imagenet100_features,
    "ImageNet-100",
    "map@1000",
    BITS,
    (
        Row("csq_d", (0.885, 0.895, 0.902), {"centers": "reed_solomon"}),
        Row("csq_d", (0.873, 0.890, 0.898), {"centers": "bch"}),
        Row("csq_d", (0.879, 0.890, 0.898), {"centers": "hadamard"}),
    ),
)

NUS_CENTERS = Table(
    "lower-bound-table2-nus",
    NUS_21,
    "NUS-WIDE-21",
    "map@5000",
    BITS,
    (
        Row("csq_d", (0.831, 0.849, 0.850), {"centers": "reed_solomon"}),
        Row("csq_d", (0.830, 0.848, 0.851), {"centers": "bch"}),
        Row("csq_d", (0.833, 0.853, 0.850), {"centers": "hadamard"}),
    ),
    stand_in=tmc2007,
)

_UNTRAINED = {"posterior": "untrained"}
UNTRAINED = Table(
    "lower-bound-untrained",
    cifar_1_features,
    "nothing printed",
    "map",
    (16, 32, 64),
    (
        Row("hashnet", None),
        Row("hashnet_d", None),
        Row("hashnet_d", None, _UNTRAINED),
        Row("csq", None),
        Row("csq_d", None),
        Row("csq_d", None, _UNTRAINED),
    ),
)


def table2(out: Path, seeds: Sequence[int] | None = None, *, quick: bool = False) -> dict[str, Any]:
    """Table 2: CSQ with the plug-in, by how the centres are made."""
    return {
        "CIFAR-10": CIFAR_CENTERS(out, seeds, quick=quick),
        "NUS-WIDE": NUS_CENTERS(out, seeds, quick=quick),
        "ImageNet-100": IMAGENET_CENTERS(out, seeds, quick=quick),
    }
