"""What the pretrained network's features are worth, by the pixels that pictures are resized to.

A linear classifier learns from 3,000 training rows of CIFAR-10 and of ImageNet-100 (Tiny) and is
asked for 1,000 others; of its weights of regularisation the best counts. The features that are
given with CIFAR-10, of its own pictures at 224 pixels, stand beside: the pictures lost some.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hammingbird.datasets import load
from hammingbird.deep.mobilenet import convert, read_weights
from hammingbird.papers.fine_tuned import WEIGHTS
from hammingbird.papers.places import data_file

SETS = {
    "CIFAR-10": "cifar10/train-00000-of-00001.parquet",
    "ImageNet-100 (Tiny)": "imagenet100-tiny/train.parquet",
}
GIVEN = "cifar10/mobilenetv2_train.npz"
STRENGTHS = (0.0003, 0.001, 0.01)


def right(features: np.ndarray, y: np.ndarray, asked: int) -> float:
    """Share of the last ``asked`` rows whose class is found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged is good enough here
        models = [
            make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=60)).fit(
                features[:-asked], y[:-asked]
            )
            for c in STRENGTHS
        ]
    return max(model.score(features[-asked:], y[-asked:]) for model in models)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--asked", type=int, default=1000)
    parser.add_argument("--sides", default="64,96,128,160,224")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "mobilenetv2.safetensors"
        convert(data_file(WEIGHTS), weights)
        for name, file in SETS.items():
            every = load(data_file(file))
            rows = np.random.default_rng(0).permutation(len(every.X))[: args.rows]
            some = every.take(rows)
            images, y = torch.from_numpy(np.array(some.images[:], np.uint8)), np.asarray(some.y)
            if name == "CIFAR-10":
                given = np.float32(load(data_file(GIVEN)).X[rows])
                print(f"{name}, given features: {right(given, y, args.asked):.3f}", flush=True)
            for side in map(int, args.sides.split(",")):
                network = read_weights(weights, side).eval()
                with torch.inference_mode():
                    parts = [
                        network(((part.float() - 128) / 128).permute(0, 3, 1, 2)).numpy()
                        for part in images.split(100)
                    ]
                found = right(np.concatenate(parts), y, args.asked)
                print(f"{name}, {side} pixels: {found:.3f}", flush=True)


if __name__ == "__main__":
    main()
