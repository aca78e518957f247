"""Search in packed codes: an exact scan, asymmetric scores, and re-ranking with the vectors."""

from hammingbird.index.rerank import rerank
from hammingbird.index.scan import Ranked, Scan, Within

__all__ = ["Ranked", "Scan", "Within", "rerank"]
