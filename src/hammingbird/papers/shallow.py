"""Supervised methods beside each other on three sets, with and without a network."""

from __future__ import annotations

from hammingbird.papers.sources import banking77_labels, cifar_1_features, tmc2007
from hammingbird.papers.tables import Row, Table

BITS = (16, 32, 48, 64)
ROWS = tuple(
    Row(method, None)
    for method in (
        "itq", "usplh", "bre-u", "itq-cca", "splh", "ksh", "sdh", "bre", "mlh", "fasthash",
        "structhash", "hashnet", "mihash",
    )
)  # fmt: skip

BANKING77 = Table("shallow-banking77", banking77_labels, "nothing printed", "map", BITS, ROWS)
CIFAR_1 = Table("shallow-cifar10", cifar_1_features, "nothing printed", "map", BITS, ROWS)
TMC2007 = Table("shallow-tmc2007", tmc2007, "nothing printed", "map", BITS, ROWS)
