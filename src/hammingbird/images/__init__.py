"""Folders of pictures: near-duplicates, what is like another picture, vectors by a network."""

from hammingbird.images.dedup import Duplicates, find_duplicates
from hammingbird.images.features import write_features
from hammingbird.images.finding import find_picture, index_folder

__all__ = ["Duplicates", "find_duplicates", "find_picture", "index_folder", "write_features"]
