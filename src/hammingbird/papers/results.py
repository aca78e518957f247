"""All results by name: which paper's, on which data, by which protocol, in how many minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

SGH, HASHNET, MIHASH, LOWER_BOUND, OWN = "SGH", "HashNet", "MIHash", "Lower Bound", "Hammingbird"


@dataclass(frozen=True)
class Result:
    """A figure or table of a paper, made again."""

    paper: str
    kind: Literal["table", "figure"]
    path: str
    """``module:name`` in this folder; what it names takes the output folder and returns JSON."""
    summary: str
    data: str
    protocol: str
    minutes: int
    """About, on one core, all seeds."""


_NEAR, _LABEL = "true neighbours", "same label"
_IMAGES = "ImageNet-100 features, else Tiny's"
_CIFAR = "CIFAR-10 features"

RESULTS: Mapping[str, Result] = MappingProxyType(
    {
        "sgh-fig4": Result(
            SGH, "figure", "reconstruction:error_by_examples",
            "reconstruction error by examples seen", "MNIST, GIST", "training rows", 12,
        ),
        "sgh-fig5": Result(
            SGH, "figure", "reconstruction:time_to_error",
            "training time of BA and SGH to one error", "MNIST, GIST", "training rows", 16,
        ),
        "sgh-fig6": Result(
            SGH, "figure", "sgh:recall_by_rank", "recall 1@N and 10@N",
            "MNIST, SIFT, GIST; SIFT-1M, GIST-1M, SIFT-1B where they are", _NEAR, 20,
        ),
        "sgh-fig7": Result(
            SGH, "figure", "sgh:recall_by_bits", "recall 100@100 over bits",
            "MNIST, SIFT, GIST; SIFT-1M, GIST-1M where they are", _NEAR, 20,
        ),
        "sgh-fig8": Result(
            SGH, "figure", "sgh:inner_products", "maximum inner product search",
            "word vectors", "largest inner products", 15,
        ),
        "sgh-fig8-why": Result(
            SGH, "table", "why:inner_products", "why BA passes SGH at 64 bits: prior, steps, bits",
            "word vectors", "largest inner products", 10,
        ),
        "hashnet-table1": Result(
            HASHNET, "table", "hashnet:IMAGENET100", "HashNet and others", _IMAGES, _LABEL, 20,
        ),
        "hashnet-table1-nus": Result(
            HASHNET, "table", "hashnet:NUS_TABLE1", "its block of NUS-WIDE-81",
            "NUS-WIDE-81, else TMC2007", "a label in common", 60,
        ),
        "hashnet-table1-coco": Result(
            HASHNET, "table", "hashnet:COCO_TABLE1", "its block of MS COCO",
            "MS COCO, else TMC2007", "a label in common", 60,
        ),
        "hashnet-table2": Result(
            HASHNET, "table", "zero_shot:unseen_classes", "queries of unseen classes, two readings",
            _IMAGES, "classes left out of training", 45,
        ),
        "hashnet-table3": Result(
            HASHNET, "table", "hashnet:VARIANTS", "variants, one label a row", _IMAGES, _LABEL, 20,
        ),
        "hashnet-table3-sets": Result(
            HASHNET, "table", "hashnet:LABEL_SETS", "variants, label sets",
            "MS COCO, else TMC2007", "a label in common", 35,
        ),
        "hashnet-table3-nus": Result(
            HASHNET, "table", "hashnet:NUS_TABLE3", "variants, the block of NUS-WIDE-81",
            "NUS-WIDE-81, else TMC2007", "a label in common", 35,
        ),
        "hashnet-fig2": Result(
            HASHNET, "figure", "hashnet:CURVES", "P@H<=2, precision-recall and P@N curves",
            _IMAGES, _LABEL, 20,
        ),
        "hashnet-fig3": Result(
            HASHNET, "figure", "hashnet:NUS_CURVES", "the same curves, NUS-WIDE-81",
            "NUS-WIDE-81, else TMC2007", "a label in common", 60,
        ),
        "hashnet-fig4": Result(
            HASHNET, "figure", "hashnet:COCO_CURVES", "the same curves, MS COCO",
            "MS COCO, else TMC2007", "a label in common", 60,
        ),
        "hashnet-fig5": Result(
            HASHNET, "figure", "retrieved:HASHNET", "the first ten pictures, hits framed green",
            _IMAGES, "queries among each other", 1,
        ),
        "hashnet-fig6": Result(
            HASHNET, "figure", "maps:HASHNET", "t-SNE of ten classes before the sign",
            _IMAGES, "queries of ten classes", 1,
        ),
        "hashnet-fig7": Result(
            HASHNET, "figure", "losses:before_and_after_the_sign", "the loss before and after the "
            "sign over the training", _IMAGES, "training rows", 20,
        ),
        "hashnet-fig8": Result(
            HASHNET, "figure", "histograms:before_the_sign", "absolute codes before the sign",
            _IMAGES, "queries", 1,
        ),
        "hashnet-16-bits": Result(
            HASHNET, "table", "why:HASHNET_STEEPEST", "HashNet at 16 bits, one setting at a time",
            _IMAGES, "2,000 training rows ask", 20,
        ),
        "mihash-table1": Result(
            MIHASH, "table", "mihash:CIFAR_1", "MIHash and others, few labels",
            _CIFAR, "cifar-1", 20,
        ),
        "mihash-table1-nus": Result(
            MIHASH, "table", "mihash:NUS_1", "the same on NUS-WIDE's 21 concepts",
            "NUS-WIDE-21, else TMC2007", "nus-1", 60,
        ),
        "mihash-table2": Result(
            MIHASH, "table", "mihash:CIFAR_2", "MIHash and others, all labels",
            _CIFAR, "cifar-2", 240,
        ),
        "mihash-table2-nus": Result(
            MIHASH, "table", "mihash:NUS_2", "the same on NUS-WIDE's 21 concepts",
            "NUS-WIDE-21, else TMC2007", "nus-2", 90,
        ),
        "mihash-table3": Result(
            MIHASH, "table", "mihash:IMAGENET100", "MIHash and others", _IMAGES, _LABEL, 15,
        ),
        "mihash-table4": Result(
            MIHASH, "table", "mihash:LABELME", "MIHash and others, neighbours without labels",
            "LabelMe, else Tiny-ImageNet's GIST", "22K LabelMe", 15,
        ),
        "mihash-table5": Result(
            MIHASH, "table", "mihash:ABLATION", "MIHash by gamma and by batch size",
            _CIFAR, "cifar-1", 12,
        ),
        "mihash-dtsh": Result(
            MIHASH, "table", "why:DTSH", "DTSH with all labels, one setting at a time",
            _CIFAR, "2,000 training rows ask", 200,
        ),
        "mihash-fig2": Result(
            MIHASH, "figure", "information:information_and_precision",
            "mutual information and MAP, over epochs and of 50 random functions",
            _CIFAR, "cifar-1", 2,
        ),
        "mihash-fig3": Result(
            MIHASH, "figure", "histograms:distances_before_and_after",
            "distances of similar and other pairs before and after learning",
            _CIFAR, "cifar-2", 1,
        ),
        "mihash-fig4": Result(
            MIHASH, "figure", "maps:MIHASH", "t-SNE of the codes of ten classes",
            _IMAGES, "queries of ten classes", 1,
        ),
        "mihash-fig5": Result(
            MIHASH, "figure", "retrieved:MIHASH", "the first ten pictures, hits framed green",
            _IMAGES, "queries among each other", 1,
        ),
        "lower-bound-table1": Result(
            LOWER_BOUND, "table", "lower_bound:HOSTS", "the plug-in _D on six methods",
            _IMAGES, _LABEL, 120,
        ),
        "lower-bound-table1-mlp": Result(
            LOWER_BOUND, "table", "lower_bound:HOSTS_MLP", "the same, two hidden layers",
            _IMAGES, _LABEL, 150,
        ),
        "lower-bound-table2": Result(
            LOWER_BOUND, "table", "lower_bound:table2", "CSQ_D by how its centres are made",
            f"{_CIFAR}; NUS-WIDE-21, else TMC2007; {_IMAGES}", f"cifar-1; nus-1; {_LABEL}", 60,
        ),
        "lower-bound-untrained": Result(
            LOWER_BOUND, "table", "lower_bound:UNTRAINED", "_D with a surrogate left as drawn",
            _CIFAR, "cifar-1", 15,
        ),
        "lower-bound-fig5": Result(
            LOWER_BOUND, "figure", "posterior:two_bits",
            "two bits of CSQ on two classes, joint and marginal (Figures 5 and 6)",
            _CIFAR, "training rows", 1,
        ),
        "lower-bound-fig9": Result(
            LOWER_BOUND, "figure", "lower_bound:CURVES", "P@H<=2, precision-recall and P@N curves",
            _IMAGES, _LABEL, 120,
        ),
        "lower-bound-fig10": Result(
            LOWER_BOUND, "figure", "posterior:sixteen_bits",
            "the distribution of 16-bit codes, by blocks and by bits alone", _CIFAR, "cifar-2", 5,
        ),
        "lower-bound-ratio": Result(
            LOWER_BOUND, "figure", "separation:ratio_and_precision",
            "min D_inter / max D_intra beside MAP, over methods and epochs", _CIFAR, "cifar-1", 8,
        ),
        "lower-bound-lowest-ap": Result(
            LOWER_BOUND, "table", "lowest_precision:by_enumeration",
            "the lowest average precision, closed form and enumeration", "all rankings of 9 items",
            "distinct ranks", 1,
        ),
        "fine-tuned-cifar10": Result(
            MIHASH, "table", "fine_tuned:cifar10", "the network learned with the codes, 96 pixels",
            "CIFAR-10's pictures, MobileNetV2's weights", "cifar-2", 250,
        ),
        "fine-tuned-imagenet100": Result(
            HASHNET, "table", "fine_tuned:imagenet100",
            "the network learned with the codes, beside frozen features",
            "Tiny-ImageNet's pictures, MobileNetV2's weights", _LABEL, 160,
        ),
        "evaluation-rules": Result(
            OWN, "table", "rules:by_rules", "one set of codes by all repositories' rules",
            f"{_CIFAR}; TMC2007", "cifar-1; a label in common", 5,
        ),
        "shallow-banking77": Result(
            OWN, "table", "shallow:BANKING77", "supervised methods, 77 classes",
            "Banking77", _LABEL, 60,
        ),
        "shallow-cifar10": Result(
            OWN, "table", "shallow:CIFAR_1", "supervised methods, 10 classes, few labels",
            _CIFAR, "cifar-1", 40,
        ),
        "shallow-tmc2007": Result(
            OWN, "table", "shallow:TMC2007", "supervised methods, label sets",
            "TMC2007", "a label in common", 60,
        ),
        "distilled": Result(
            OWN, "table", "distilled:neighbors_kept", "DistilledHash beside ITQ",
            "Banking77, MNIST, SIFT, words", _NEAR, 60,
        ),
        "distilled-prefixes": Result(
            OWN, "table", "distilled:prefixes", "one model for 16, 32 and 64 bits",
            "Banking77", _NEAR, 10,
        ),
        "read-twice": Result(
            OWN, "table", "read_twice:read_twice", "codes by bits and by tables, rivals beside",
            "Banking77, MNIST, SIFT, words", _NEAR, 180,
        ),
        "read-twice-apart": Result(
            OWN, "table", "read_twice:apart", "the same, learned from other rows than are searched",
            "Banking77, MNIST, SIFT, words", _NEAR, 30,
        ),
    }
)  # fmt: skip
