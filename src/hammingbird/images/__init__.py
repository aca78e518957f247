"""Folders of pictures: their near-duplicates, and their vectors by a pretrained network."""

from hammingbird.images.dedup import Duplicates, find_duplicates
from hammingbird.images.features import write_features

__all__ = ["Duplicates", "find_duplicates", "write_features"]
