"""Rankings with ties, relevance, and the metrics of the field; knows no method."""

from hammingbird.evaluation.average_precision import average_precision
from hammingbird.evaluation.evaluate import (
    DEFAULT_METRICS,
    choose_relevance,
    evaluate,
    evaluate_scores,
)
from hammingbird.evaluation.names import parse_metric
from hammingbird.evaluation.protocol import check_disjoint, describe_protocol, overlap
from hammingbird.evaluation.ranking import Ranking
from hammingbird.evaluation.relevance import (
    ListedNeighbors,
    Relevance,
)
from hammingbird.evaluation.same_label import SameLabel
from hammingbird.evaluation.scores import asymmetric_scores, vector_scores
from hammingbird.evaluation.within_distance import WithinDistance, percentile_threshold

__all__ = [
    "DEFAULT_METRICS",
    "ListedNeighbors",
    "Ranking",
    "Relevance",
    "SameLabel",
    "WithinDistance",
    "asymmetric_scores",
    "average_precision",
    "check_disjoint",
    "choose_relevance",
    "describe_protocol",
    "evaluate",
    "evaluate_scores",
    "overlap",
    "parse_metric",
    "percentile_threshold",
    "vector_scores",
]
