"""What a training step of the pretrained network costs on this machine, and so an epoch.

Processor seconds of one thread for 64 pictures, by pixels and precision: the difference of two fits
of one epoch each, of ten and of two batches, so that what comes before and after does not count.
Then what a picture costs by how many go through the network at once, in float32.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from hammingbird.deep import mobilenet
from hammingbird.deep.methods.csq import CSQ
from hammingbird.deep.mobilenet import MobileNetV2, convert, read_weights
from hammingbird.papers.fine_tuned import WEIGHTS
from hammingbird.papers.places import data_file

BATCH = 64
FEW, MANY = 2, 10
CIFAR, IMAGENET = 50_000, 10_000
AT_ONCE = (128, 64, 32, 16, 8)


def seconds(weights: Path, pixels: int, precision: str, batches: int) -> float:
    """Processor seconds of a fit of one epoch."""
    rng = np.random.default_rng(0)
    side = min(pixels, 64)
    images = rng.integers(0, 256, (batches * BATCH, side, side, 3), np.uint8)
    hasher = CSQ(
        48, backbone=f"mobilenetv2:{weights}@{pixels}", epochs=1, batch_size=BATCH,
        precision=precision, random_state=0,
    )  # fmt: skip
    start = time.process_time()
    hasher.fit(images, np.arange(len(images)) % 10)
    return time.process_time() - start


def a_picture(network: MobileNetV2, pixels: int, at_once: int, *, learns: bool) -> float:
    """Processor milliseconds a picture of the second pass of 128."""
    images = torch.rand(max(AT_ONCE), 3, pixels, pixels).to(memory_format=torch.channels_last)
    network.train(learns)
    mobilenet.AT_ONCE = at_once
    for _ in range(2):
        start = time.process_time()
        with torch.set_grad_enabled(learns):
            if learns:
                network(images).sum().backward()
            else:
                for some in images.split(at_once):
                    network(some)
    return 1000 * (time.process_time() - start) / len(images)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    print("| pixels | precision | s a step of 64 | min an epoch of 50,000 | of 10,000 |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "mobilenetv2.safetensors"
        convert(data_file(WEIGHTS), weights)
        seconds(weights, 64, "float32", 1)  # what is loaded at first use does not count
        for pixels in (64, 96):
            for precision in ("float32", "bfloat16"):
                few, many = (seconds(weights, pixels, precision, n) for n in (FEW, MANY))
                step = (many - few) / (MANY - FEW)
                epochs = (step * rows / BATCH / 60 for rows in (CIFAR, IMAGENET))
                cells = " | ".join(f"{minutes:.1f}" for minutes in epochs)
                print(f"| {pixels} | {precision} | {step:.2f} | {cells} |")
        network = read_weights(weights).to(memory_format=torch.channels_last)
        print("\n| pixels | ms a picture | " + " | ".join(map(str, AT_ONCE)) + " at once |")
        print("|---|---" + "|---" * len(AT_ONCE) + "|")
        for pixels in (96, 224):
            for learns in (False, True):
                costs = (a_picture(network, pixels, n, learns=learns) for n in AT_ONCE)
                cells = " | ".join(f"{cost:.1f}" for cost in costs)
                print(f"| {pixels} | {'learning' if learns else 'encoding'} | {cells} |")


if __name__ == "__main__":
    main()
