"""A training step with each objective against the same step with a plain cross-entropy head.

The convolutional network at batch 256 and 64 bits; medians of steps that take turns in one run.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import nn

from hammingbird.deep.network import SmallConvNet
from hammingbird.deep.objective import Batch, Objective
from hammingbird.deep.objectives.mutual_information import MutualInformation
from hammingbird.deep.objectives.pairwise import PairwiseLikelihood

BATCH, BITS, CLASSES = 256, 64, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    body = SmallConvNet().to(memory_format=torch.channels_last)
    X = torch.randn(BATCH, 3, 32, 32).to(memory_format=torch.channels_last)
    y = torch.randint(CLASSES, (BATCH,))
    objectives: dict[str, Objective | None] = {
        "cross-entropy": None,
        "MutualInformation": MutualInformation(),
        "PairwiseLikelihood": PairwiseLikelihood(balanced=True),
    }
    heads = {name: nn.Linear(256, BITS if part else CLASSES) for name, part in objectives.items()}
    seconds: dict[str, list[float]] = {name: [] for name in objectives}
    for _ in range(arguments.steps + 1):
        for name, part in objectives.items():
            start = time.perf_counter()
            logits = heads[name](body(X))
            if part is None:
                loss = nn.functional.cross_entropy(logits, y)
            else:
                loss = part(Batch(logits, torch.tanh(logits), torch.arange(BATCH), y=y))
            body.zero_grad(set_to_none=True)
            loss.backward()
            seconds[name].append(time.perf_counter() - start)
    plain = sorted(seconds["cross-entropy"][1:])[arguments.steps // 2]
    for name, times in seconds.items():
        median = sorted(times[1:])[arguments.steps // 2]
        print(f"{name:20} {1000 * median:8.1f} ms   {median / plain:.3f} x")


if __name__ == "__main__":
    main()
