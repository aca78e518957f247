"""Hashers in other people's places: a repository of Hugging Face, sentence-transformers, MTEB.

And ann-benchmarks. What hands over to libraries made of torch, ``sentences`` and ``mteb``, imports
it, so nothing here imports these two.
"""

from hammingbird.hub.repository import write_repository

__all__ = ["write_repository"]
