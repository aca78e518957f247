"""Every method by name, with its paper and the supervision it needs; loads saved hashers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal

from hammingbird.errors import FileError, InputError
from hammingbird.hasher import Hasher
from hammingbird.storage import load_folder

Supervision = Literal["none", "labels", "pairs", "neighbors"]


@dataclass(frozen=True)
class Method:
    """One row of the catalog: where a method lives and what it needs."""

    name: str
    path: str
    """``module:Class`` inside the package, imported on first use."""
    paper: str
    summary: str
    supervision: Supervision = "none"
    extra: str = ""
    """The extra that must be installed, such as ``deep``."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What this row sets on the class beyond its defaults."""

    @property
    def hasher_class(self) -> type[Hasher]:
        """The class, imported now."""
        module, name = self.path.split(":")
        loaded: type[Hasher] = getattr(import_module(f"hammingbird.{module}"), name)
        return loaded

    def make(self, n_bits: int | None = None, random_state: int | None = None) -> Hasher:
        """Build an unfitted hasher; ``random_state`` is passed on where the method has one."""
        hasher = self.hasher_class(**self.parameters)
        if n_bits is not None:
            hasher.set_params(n_bits=n_bits)
        if "random_state" in hasher.get_params(deep=False):
            hasher.set_params(random_state=random_state)
        return hasher

    def record(self) -> dict[str, Any]:
        """Name, paper, supervision and the rest as plain values."""
        return {**asdict(self), "parameters": dict(self.parameters)}


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in [
            Method(
                "sign",
                "classical.sign:Sign",
                "common practice: packbits(x > 0)",
                "the sign of each dimension; learns nothing",
            ),
            Method(
                "sign-centered",
                "classical.sign:Sign",
                "common practice",
                "the sign of each dimension minus its mean",
                parameters={"center": True},
            ),
            Method(
                "lsh",
                "classical.lsh:LSH",
                "Charikar, STOC 2002",
                "signs of random Gaussian projections; learns nothing",
            ),
            Method(
                "pca",
                "classical.pca:PCAHash",
                "common practice",
                "signs of the leading principal components",
            ),
            Method(
                "rotated-pca",
                "classical.pca:RotatedPCA",
                "Jegou et al., CVPR 2010",
                "principal components after a random rotation",
            ),
            Method(
                "itq",
                "classical.itq:ITQ",
                "Gong and Lazebnik, CVPR 2011",
                "principal components after the rotation that fits signs best",
            ),
            Method(
                "sh",
                "classical.spectral:SpectralHashing",
                "Weiss, Torralba and Fergus, NIPS 2008",
                "signs of sine waves along the principal axes",
            ),
            Method(
                "hashnet",
                "deep.methods.hashnet:HashNet",
                "Cao et al., ICCV 2017",
                "balanced pairwise likelihood, tanh sharpened until it is the sign",
                "labels",
                "deep",
            ),
            Method(
                "hashnet+c",
                "deep.methods.hashnet:HashNet",
                "Cao et al., ICCV 2017",
                "HashNet that weights similar pairs by the labels they share",
                "labels",
                "deep",
                {"similarity": "jaccard"},
            ),
            Method(
                "hashnet-w",
                "deep.methods.hashnet:HashNet",
                "Cao et al., ICCV 2017",
                "HashNet without the balance of similar and dissimilar pairs",
                "labels",
                "deep",
                {"balanced": False},
            ),
            Method(
                "hashnet-sgn",
                "deep.methods.hashnet:HashNet",
                "Cao et al., ICCV 2017",
                "HashNet with a plain tanh",
                "labels",
                "deep",
                {"continuation": False},
            ),
            Method(
                "mihash",
                "deep.methods.mihash:MIHash",
                "Cakir et al., TPAMI 2019",
                "mutual information between code distance and neighbourhood",
                "labels",
                "deep",
            ),
        ]
    }
)


def get(name: str) -> Method:
    """Return a method by name (case does not matter), or say which names there are."""
    try:
        return METHODS[name.strip().lower()]
    except KeyError:
        raise InputError(
            f"no method is called {name!r}: choose from {', '.join(METHODS)}"
        ) from None


def make(name: str, n_bits: int | None = None, random_state: int | None = None) -> Hasher:
    """Build an unfitted hasher by its method's name."""
    return get(name).make(n_bits, random_state)


def load(folder: str | os.PathLike[str]) -> Hasher:
    """Load a hasher that ``save`` wrote; only classes of this catalog are ever built.

    Raises :class:`FileError` for a folder that is foreign, truncated, altered or of a newer format.
    """
    manifest, path = load_folder(folder, "hasher")
    for method in METHODS.values():
        if method.path.endswith(f":{manifest.get('class')}"):
            return method.hasher_class._restore(manifest, path)
    raise FileError(
        f"{path} holds a {manifest.get('class')!r}, which this version of hammingbird does not know"
    )
