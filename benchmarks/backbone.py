"""How near the features of ``mobilenetv2:FILE`` are to those that are given with the pictures.

DATA's features were made by the quantized network at 224 pixels, and kept in 32 levels. Prints
Pearson's correlation over all values of the first pictures of ImageNet-100 (Tiny) and of CIFAR-10
(whose pictures are kept with loss, so that the features cannot agree as well).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from hammingbird.datasets import load
from hammingbird.deep.mobilenet import convert, read_weights
from hammingbird.papers.places import data_file

LEVEL = 0.188
"""An activation per level of the stored features."""
SETS = (
    ("imagenet100-tiny/query.parquet", "imagenet100-tiny/mobilenetv2_query.npz"),
    ("cifar10/test-00000-of-00001.parquet", "cifar10/mobilenetv2_test.npz"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=256)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "mobilenetv2.safetensors"
        convert(data_file("weights/mobilenet_v2_1.0_224_int8.npz"), weights)
        network = read_weights(weights, 224).eval()
    for pictures, features in SETS:
        images = load(data_file(pictures)).images
        assert images is not None
        given = load(data_file(features)).X[: arguments.pictures] * LEVEL
        found = []
        with torch.inference_mode():
            for start in range(0, arguments.pictures, 32):
                batch = torch.from_numpy(np.asarray(images[start : start + 32])).float()
                pixels = (batch - network.pixels[0]) / network.pixels[1]
                found.append(network(pixels.permute(0, 3, 1, 2)).numpy())
        made = np.concatenate(found)[: len(given)]
        print(f"{pictures}: {np.corrcoef(made.ravel(), given.ravel())[0, 1]:.4f}")


if __name__ == "__main__":
    main()
