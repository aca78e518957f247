"""Folders of pictures: their near-duplicates, and what is like another picture."""

from hammingbird.images.dedup import Duplicates, find_duplicates
from hammingbird.images.finding import find_picture, index_folder

__all__ = ["Duplicates", "find_duplicates", "find_picture", "index_folder"]
