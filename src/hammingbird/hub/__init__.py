"""Hashers in other people's places: a repository of Hugging Face, ann-benchmarks.

What needs torch (sentence-transformers, MTEB) is in ``hammingbird.deep``.
"""

from hammingbird.hub.repository import write_repository

__all__ = ["write_repository"]
