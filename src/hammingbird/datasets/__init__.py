"""File formats people really have, the published split protocols, a bundled sample."""

from hammingbird.datasets.bundled import digits
from hammingbird.datasets.files import load, shape, stream
from hammingbird.datasets.holdout import HeldOut, hold_out
from hammingbird.datasets.labels import read_labels
from hammingbird.datasets.neighbors import read_neighbors
from hammingbird.datasets.source import Dataset
from hammingbird.datasets.splits import SPLITS, Split

__all__ = [
    "SPLITS",
    "Dataset",
    "HeldOut",
    "Split",
    "digits",
    "hold_out",
    "load",
    "read_labels",
    "read_neighbors",
    "shape",
    "stream",
]
