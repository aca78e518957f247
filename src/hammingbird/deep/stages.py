"""A training in stages (HashNet, Algorithm 1): which epochs are whose, and what each did."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from hammingbird.deep.checkpoint import History

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stages:
    """``count`` stages of about equal length; with fewer epochs than that, some are left out."""

    epochs: int
    count: int

    def of(self, epoch: int) -> int:
        """Return the stage of an epoch."""
        return epoch * self.count // self.epochs

    def start(self, stage: int) -> int:
        """Return the first epoch of a stage."""
        return -(-stage * self.epochs // self.count)

    def done(self, stage: int, epoch: float) -> float:
        """Return the share of a stage that is behind at a (broken) epoch, in [0, 1)."""
        first, end = self.start(stage), self.start(stage + 1)
        return (epoch - first) / (end - first)


def summary(history: History) -> list[dict[str, float]]:
    """Return per stage its beta, its share of the learning rates, and J and L before and after."""
    total = sum(record["learning_rate"] for record in history)
    found = []
    for stage in sorted({record["stage"] for record in history}):
        records = [record for record in history if record["stage"] == stage]
        found.append(
            {
                "stage": stage,
                "beta": records[0]["beta"],
                "epochs": len(records),
                "share": sum(record["learning_rate"] for record in records) / total,
                "J_before": records[0]["J_start"],
                "J_after": records[-1]["J"],
                "L_before": records[0]["L_start"],
                "L_after": records[-1]["L"],
            }
        )
    return found


def report(name: str, history: History) -> None:
    """Log a line per stage."""
    for row in summary(history):
        log.info(
            "%s, stage %d, beta %.4g: %d epochs, %.0f %% of the learning rates, "
            "J %.4g -> %.4g, L %.4g -> %.4g",
            name,
            row["stage"],
            row["beta"],
            row["epochs"],
            100 * row["share"],
            row["J_before"],
            row["J_after"],
            row["L_before"],
            row["L_after"],
        )
