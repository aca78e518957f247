"""Folders of pictures: their near-duplicates."""

from hammingbird.images.dedup import Duplicates, find_duplicates

__all__ = ["Duplicates", "find_duplicates"]
