"""What makes bits of pictures: the built-in descriptor, a hasher of the user's, or a network."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hammingbird import catalog
from hammingbird.codes import Codes
from hammingbird.datasets.images import frame_of
from hammingbird.errors import InputError, MissingExtraError
from hammingbird.images import descriptor
from hammingbird.images.reading import Describer

FEATURE_BITS = 256


class Features(Protocol):
    """What makes features of pictures, such as :class:`hammingbird.deep.features.Features`."""

    side: int
    """Pixels a side of the pictures."""

    @property
    def fingerprint(self) -> str:
        """Changes when features would."""

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [n, f] of pictures [n, side, side, 3]."""


def make_describer(
    model: str | os.PathLike[str] | None = None, features: str | Features | None = None
) -> Describer:
    """The built-in descriptor, a saved hasher that takes pictures, or bits of a network's features.

    ``features`` is ``timm:NAME``, ``hf:NAME``, ``weights=FILE`` or what those are opened as (see
    :func:`hammingbird.deep.features.open_features`; needs the ``deep`` extra). Its bits are cosine
    LSH, which learns nothing: signs of random projections of the features, after each picture's
    mean feature is taken off. Two pictures so differ in as many bits as their features correlate
    little.
    """
    if model is not None and features is not None:
        raise InputError("bits come from one thing: give a model or features")
    if model is not None:
        return _of_model(model)
    if features is not None:
        return _of_features(features)
    square = (descriptor.SIDE, descriptor.SIDE, 3)
    name = f"built-in {descriptor.VERSION}"
    return Describer(name, square, descriptor.N_BITS, descriptor.describe)


def _of_model(model: str | os.PathLike[str]) -> Describer:
    hasher = catalog.load(model)
    shape = tuple(getattr(hasher, "input_shape_", ()))
    wanted = shape if len(shape) == 3 else (hasher.n_features_in_,)
    stamp = catalog.stamp(model)
    return Describer(
        stamp["fingerprint"],
        frame_of(hasher),
        hasher.n_bits_,
        lambda pixels: hasher.encode(pixels.reshape(len(pixels), *wanted)),
        {**stamp, "option": "--model MODEL"},
    )


def _of_features(features: str | Features) -> Describer:
    if isinstance(features, str):
        try:
            opened: Features = import_module("hammingbird.deep.features").open_features(features)
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "torch", "deep") from error
        option = f"--features {features}"
    else:
        opened, option = features, "the same features"
    square = (opened.side, opened.side, 3)
    width = opened(np.zeros((1, *square), np.uint8)).shape[1]
    hasher = catalog.make("lsh", FEATURE_BITS, 0).fit(np.ones((1, width), np.float32))

    def describe(pixels: NDArray[np.uint8]) -> Codes:
        found = opened(pixels)
        return hasher.encode(found - found.mean(axis=1, keepdims=True))

    name = f"features {opened.fingerprint} lsh {FEATURE_BITS}"
    return Describer(name, square, FEATURE_BITS, describe, {"option": option})
