"""Search in packed codes: an exact scan, multi-index hashing, asymmetric scores, re-ranking."""

from hammingbird.index.multi_index import MultiIndex
from hammingbird.index.rerank import rerank
from hammingbird.index.scan import Radius, Ranked, Scan, Shortlist, Within

__all__ = ["MultiIndex", "Radius", "Ranked", "Scan", "Shortlist", "Within", "rerank"]
