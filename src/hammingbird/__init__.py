"""Learn compact binary codes, search them by Hamming distance, and measure the loss first."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hammingbird.catalog import METHODS, load, make
    from hammingbird.classical.autoencoder import BinaryAutoencoder
    from hammingbird.classical.composite import DistilledComposite
    from hammingbird.classical.distilled import DistilledHash
    from hammingbird.classical.itq import ITQ
    from hammingbird.classical.kmeans import KMeansHashing
    from hammingbird.classical.lsh import LSH
    from hammingbird.classical.pca import PCAHash, RotatedPCA
    from hammingbird.classical.polysemous import Polysemous
    from hammingbird.classical.semantic import SemanticHashing
    from hammingbird.classical.sgh import SGH
    from hammingbird.classical.sign import Sign
    from hammingbird.classical.spectral import SpectralHashing
    from hammingbird.classical.supervised.bre import BRE, ReconstructiveEmbedding
    from hammingbird.classical.supervised.fasthash import FastHash
    from hammingbird.classical.supervised.itqcca import ITQCCA
    from hammingbird.classical.supervised.ksh import KSH
    from hammingbird.classical.supervised.mlh import MLH
    from hammingbird.classical.supervised.sdh import SDH
    from hammingbird.classical.supervised.splh import SPLH, USPLH
    from hammingbird.classical.supervised.structhash import StructHash
    from hammingbird.codes import hamming, pack, unpack
    from hammingbird.comparison.run import compare
    from hammingbird.deep.hasher import DeepHasher
    from hammingbird.deep.methods.cnnh import CNNH
    from hammingbird.deep.methods.csq import CSQ
    from hammingbird.deep.methods.dbdh import DBDH
    from hammingbird.deep.methods.dch import DCH
    from hammingbird.deep.methods.dhn import DHN
    from hammingbird.deep.methods.distilled import DeepDistilledHash
    from hammingbird.deep.methods.dnnh import DNNH
    from hammingbird.deep.methods.dpsh import DPSH
    from hammingbird.deep.methods.drsch import DRSCH
    from hammingbird.deep.methods.drsh import DRSH
    from hammingbird.deep.methods.dsdh import DSDH
    from hammingbird.deep.methods.dtsh import DTSH
    from hammingbird.deep.methods.greedyhash import GreedyHash, UnsupervisedGreedyHash
    from hammingbird.deep.methods.hashnet import HashNet
    from hammingbird.deep.methods.mihash import MIHash
    from hammingbird.deep.methods.sgh import DeepSGH
    from hammingbird.deep.methods.vdsh import VDSH
    from hammingbird.deep.training import Training
    from hammingbird.errors import (
        ClusterError,
        FileError,
        HammingbirdError,
        InputError,
        MissingExtraError,
        StoreError,
    )
    from hammingbird.evaluation.evaluate import evaluate, evaluate_scores
    from hammingbird.hasher import Hasher
    from hammingbird.index.multi_index import MultiIndex
    from hammingbird.index.rerank import rerank
    from hammingbird.index.scan import Scan
    from hammingbird.linear import Linear
    from hammingbird.report.page import write_report
    from hammingbird.targets import Neighbors, Pairs, Triplets, nearest_vectors

_HOMES = {
    "METHODS": "catalog",
    "load": "catalog",
    "make": "catalog",
    "BinaryAutoencoder": "classical.autoencoder",
    "DistilledComposite": "classical.composite",
    "DistilledHash": "classical.distilled",
    "ITQ": "classical.itq",
    "KMeansHashing": "classical.kmeans",
    "LSH": "classical.lsh",
    "PCAHash": "classical.pca",
    "Polysemous": "classical.polysemous",
    "RotatedPCA": "classical.pca",
    "SGH": "classical.sgh",
    "SemanticHashing": "classical.semantic",
    "Sign": "classical.sign",
    "SpectralHashing": "classical.spectral",
    "BRE": "classical.supervised.bre",
    "ReconstructiveEmbedding": "classical.supervised.bre",
    "FastHash": "classical.supervised.fasthash",
    "ITQCCA": "classical.supervised.itqcca",
    "KSH": "classical.supervised.ksh",
    "MLH": "classical.supervised.mlh",
    "SDH": "classical.supervised.sdh",
    "SPLH": "classical.supervised.splh",
    "StructHash": "classical.supervised.structhash",
    "USPLH": "classical.supervised.splh",
    "CNNH": "deep.methods.cnnh",
    "CSQ": "deep.methods.csq",
    "DBDH": "deep.methods.dbdh",
    "DCH": "deep.methods.dch",
    "DHN": "deep.methods.dhn",
    "DNNH": "deep.methods.dnnh",
    "DPSH": "deep.methods.dpsh",
    "DRSCH": "deep.methods.drsch",
    "DRSH": "deep.methods.drsh",
    "DSDH": "deep.methods.dsdh",
    "DTSH": "deep.methods.dtsh",
    "DeepDistilledHash": "deep.methods.distilled",
    "DeepHasher": "deep.hasher",
    "DeepSGH": "deep.methods.sgh",
    "GreedyHash": "deep.methods.greedyhash",
    "HashNet": "deep.methods.hashnet",
    "MIHash": "deep.methods.mihash",
    "Training": "deep.training",
    "UnsupervisedGreedyHash": "deep.methods.greedyhash",
    "VDSH": "deep.methods.vdsh",
    "Linear": "linear",
    "hamming": "codes",
    "pack": "codes",
    "unpack": "codes",
    "ClusterError": "errors",
    "FileError": "errors",
    "HammingbirdError": "errors",
    "InputError": "errors",
    "MissingExtraError": "errors",
    "StoreError": "errors",
    "evaluate": "evaluation.evaluate",
    "evaluate_scores": "evaluation.evaluate",
    "compare": "comparison.run",
    "Hasher": "hasher",
    "write_report": "report.page",
    "MultiIndex": "index.multi_index",
    "Scan": "index.scan",
    "rerank": "index.rerank",
    "Neighbors": "targets",
    "Pairs": "targets",
    "Triplets": "targets",
    "nearest_vectors": "targets",
}

__all__ = [
    "BRE",
    "CNNH",
    "CSQ",
    "DBDH",
    "DCH",
    "DHN",
    "DNNH",
    "DPSH",
    "DRSCH",
    "DRSH",
    "DSDH",
    "DTSH",
    "ITQ",
    "ITQCCA",
    "KSH",
    "LSH",
    "METHODS",
    "MLH",
    "SDH",
    "SGH",
    "SPLH",
    "USPLH",
    "VDSH",
    "BinaryAutoencoder",
    "ClusterError",
    "DeepDistilledHash",
    "DeepHasher",
    "DeepSGH",
    "DistilledComposite",
    "DistilledHash",
    "FastHash",
    "FileError",
    "GreedyHash",
    "HammingbirdError",
    "HashNet",
    "Hasher",
    "InputError",
    "KMeansHashing",
    "Linear",
    "MIHash",
    "MissingExtraError",
    "MultiIndex",
    "Neighbors",
    "PCAHash",
    "Pairs",
    "Polysemous",
    "ReconstructiveEmbedding",
    "RotatedPCA",
    "Scan",
    "SemanticHashing",
    "Sign",
    "SpectralHashing",
    "StoreError",
    "StructHash",
    "Training",
    "Triplets",
    "UnsupervisedGreedyHash",
    "compare",
    "evaluate",
    "evaluate_scores",
    "hamming",
    "load",
    "make",
    "nearest_vectors",
    "pack",
    "rerank",
    "unpack",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name, or ``__version__``, the first time it is asked for."""
    if name == "__version__":
        return import_module("hammingbird.storage").package_version()
    if name in _HOMES:
        value = getattr(import_module(f"hammingbird.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'hammingbird' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
