"""The one training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from hammingbird.deep.batches import Draw, as_tensors, draws_aware, epoch_batches
from hammingbird.deep.checkpoint import Checkpoints, History
from hammingbird.deep.network import Network
from hammingbird.deep.objective import Batch, Objective
from hammingbird.deep.processes import Processes
from hammingbird.deep.relaxations import Relaxation, sign
from hammingbird.deep.source import Source
from hammingbird.deep.stages import Stages, report
from hammingbird.deep.supervision import Supervision
from hammingbird.deep.training import Training
from hammingbird.errors import InputError

FREE = ("checkpoint", "device", "workers", "compile", "channels_last")
"""What may differ between a run and the one that goes on from it."""


class Trainer:
    """Trains a network so that an objective of its relaxed codes becomes small.

    Everything random is drawn from ``(seed, epoch)``, so that a run which goes on from a checkpoint
    ends in the codes of one that was never stopped.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        relaxation: Relaxation,
        training: Training,
        seed: int,
        name: str = "training",
    ) -> None:
        self.training, self.seed, self.name = training, seed, name
        self.processes = Processes(training.torch_device())
        self.device = self.processes.device
        self.network = network.to(self.device)
        if training.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = objective.to(self.device)
        self.relaxation = relaxation.to(self.device)
        self.optimizer = _optimizer(self.network, objective, training)
        wrapped = self.processes.wrap(self.network)
        self.run: Any = torch.compile(wrapped) if training.compile else wrapped
        self.stages = Stages(training.epochs, relaxation.stages)
        self.history: History = []
        self.after_epoch: Callable[[], dict[str, float]] = dict
        """What else is known after an epoch; goes into the history."""
        self.best: dict[str, Tensor] | None = None

    def fit(self, source: Source, supervision: Supervision) -> History:
        """Train, and leave network and objective as they were last (or best)."""
        # Described before the targets move to a GPU.
        run = {} if self.training.checkpoint is None else self._describe(source, supervision)
        self.checkpoints = Checkpoints(self.training.checkpoint, run)
        self.source, self.supervision = source, supervision.to(self.device)
        training = self.training
        compared = any(part.needs in ("pairs", "triplets") for *_, part in self.objective.terms())
        self.aware = draws_aware(
            supervision, training.batch_size, training.batches, compared=compared
        )
        rows, held_out = self._split(len(source))
        self.probe = self._probe(rows, held_out)
        start = self._resume()
        devices = [self.device] if self.device.type == "cuda" else []
        quiet = None if self.processes.rank == 0 else True
        progress = tqdm(
            total=training.epochs, initial=start, desc=self.name, unit="epoch", disable=quiet
        )
        with torch.random.fork_rng(devices), progress as bar:
            for epoch in range(start, training.epochs):
                if self._converged(self.stages.of(epoch)):
                    continue
                record = self._epoch(epoch, rows)
                self.history.append(record | self.after_epoch())
                bar.update(epoch + 1 - bar.n)
                bar.set_postfix({"loss": f"{record['loss']:.4g}", "L": f"{record['L']:.4g}"})
                self._keep_best(bool(len(held_out)))
                if self.processes.rank == 0:
                    self.checkpoints.write(self._state(), self.history)
        if self.stages.count > 1 and self.processes.rank == 0:
            report(self.name, self.history)
        if self.best is not None:
            self.network.load_state_dict(_part(self.best, "network"))
            self.objective.load_state_dict(_part(self.best, "objective"))
        self.network.eval()
        return self.history

    def _epoch(self, epoch: int, rows: NDArray[np.int64]) -> dict[str, float]:
        stage = self.stages.of(epoch)
        began = self._began(epoch, stage)
        rng = np.random.default_rng([self.seed, epoch])
        torch.manual_seed(int(rng.integers(2**62)))
        draws = epoch_batches(
            self.supervision, rows, self.training.batch_size, rng, aware=self.aware
        )
        self.network.train()
        self.objective.train()
        totals: dict[str, float] = {}
        rates = 0.0
        for step, batch_of in enumerate(self._inputs(draws)):
            done = self.stages.done(stage, epoch + step / len(draws))
            self.relaxation.anneal((stage + done) / self.stages.count)
            rate = self.training.rate(done) * self.relaxation.pace
            rates += rate / len(draws)
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            loss, values = self._losses(self._batch(*batch_of))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            for name, value in values.items():
                totals[name] = totals.get(name, 0.0) + value / len(draws)
        self.objective.epoch_end()
        return {"epoch": epoch + 1, **totals, "learning_rate": rates, **self._measure(), **began}

    def _began(self, epoch: int, stage: int) -> dict[str, float]:
        """The stage of an epoch, its beta, and J and L when it began."""
        if self.stages.count == 1:
            return {}
        if self.history and self.history[-1]["stage"] == stage:
            return {
                name: self.history[-1][name] for name in ("stage", "beta", "J_start", "L_start")
            }
        self.relaxation.anneal(stage / self.stages.count)
        measured = self._measure()
        return {
            "stage": stage,
            "beta": float(getattr(self.relaxation, "beta", 1.0)),
            "J_start": measured["J"],
            "L_start": measured["L"],
        }

    def _inputs(self, draws: list[Draw]) -> Iterator[tuple[Draw, Tensor]]:
        share = self.processes.share if self.network.training else np.asarray
        inputs = self.source.fetch([share(draw.rows) for draw in draws])
        for draw, X in zip(draws, inputs, strict=True):
            yield draw, X.to(self.device, non_blocking=True)

    def _batch(self, draw: Draw, X: Tensor) -> Batch:
        index, triplets = as_tensors(draw, self.device)
        mixed = self.training.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            logits = self.run(X) if self.network.training else self.network(X)
        logits = logits.float()
        if self.network.training:
            logits = self.processes.gather(logits, len(index))
            X = self.processes.gather(X, len(index))
        y = self.supervision.y
        return Batch(
            logits=logits,
            outputs=self.relaxation(logits),
            index=index,
            X=X,
            y=None if y is None else y[index],
            relation=self.supervision.relation,
            given_triplets=triplets,
        )

    def _losses(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The weighted sum, and every term by name as it is before its weight."""
        terms = [(name, w, part(batch)) for name, w, part in self.objective.terms() if w]
        loss = sum((w * value for _, w, value in terms), batch.logits.new_zeros(()))
        values = {name: float(value.detach()) for name, _, value in terms}
        values["loss"] = float(loss.detach())
        logits = float(batch.logits.detach().sum())
        for name, value in {"the network's output": logits, **values}.items():
            if not math.isfinite(value):
                raise self._not_finite(name, value)
        return loss, values

    def _not_finite(self, name: str, value: float) -> InputError:
        kept = self.checkpoints.newest()
        return InputError(
            f"{self.name}: {name} became {value} in epoch {len(self.history) + 1}: "
            "lower learning_rate or check X"
            + (f"; the last good checkpoint is {kept[1]}" if kept else "")
        )

    @torch.no_grad()
    def _measure(self) -> dict[str, float]:
        """J and L (HashNet, Fig. 7): the loss of the probe before and after the sign.

        J is taken with the relaxation as it was trained last, at its stage's own beta.
        """
        self.network.eval()
        self.objective.eval()
        relaxed: list[float] = []
        signed: list[float] = []
        for draw, X in self._inputs(self.probe):
            before = self._batch(draw, X)
            after = replace(before, outputs=sign(before.logits))
            for losses, batch in ((relaxed, before), (signed, after)):
                losses.append(self._losses(batch)[1]["loss"])
        return {"J": float(np.mean(relaxed)), "L": float(np.mean(signed))}

    def _split(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.random.default_rng([self.seed, 1 << 40]).permutation(n)
        held_out = int(self.training.validation * n)
        if self.training.validation and not 1 <= held_out < n - 1:
            raise InputError(f"validation={self.training.validation} of {n} rows leaves none")
        return np.sort(order[held_out:]), np.sort(order[:held_out])

    def _probe(self, rows: NDArray[np.int64], held_out: NDArray[np.int64]) -> list[Draw]:
        """Fixed batches to measure: all validation rows, or one batch of training rows."""
        rng = np.random.default_rng([self.seed, 2 << 40])
        of = held_out if len(held_out) else rows
        draws = epoch_batches(self.supervision, of, self.training.batch_size, rng, aware=self.aware)
        return draws if len(held_out) else draws[:1]

    def _keep_best(self, validated: bool) -> None:
        losses = [record["L"] for record in self.history]
        if validated and losses[-1] <= min(losses):
            self.best = copy.deepcopy(self._learned())

    def _learned(self) -> dict[str, Tensor]:
        return {
            **_named("network", self.network.state_dict()),
            **_named("objective", self.objective.state_dict()),
        }

    def _state(self) -> dict[str, Tensor]:
        state = self.optimizer.state_dict()["state"]
        return {
            **self._learned(),
            **_named("best", self.best or {}),
            **{
                f"optimizer.{number}.{name}": value
                for number, values in state.items()
                for name, value in values.items()
                if isinstance(value, Tensor)
            },
        }

    def _resume(self) -> int:
        """Restore the newest checkpoint, if there is one; return the epochs it has behind it."""
        found = self.checkpoints.read()
        if found is None:
            return 0
        tensors, self.history = found
        self.network.load_state_dict(_part(tensors, "network"))
        self.objective.load_state_dict(_part(tensors, "objective"))
        self.best = _part(tensors, "best") or None
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(tensors, "optimizer").items():
            number, _, key = name.partition(".")
            state.setdefault(int(number), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        return int(self.history[-1]["epoch"])

    def _describe(self, source: Source, supervision: Supervision) -> dict[str, Any]:
        """What must be equal for a run to go on from another's checkpoint."""
        return {
            "method": self.name,
            "data": source.fingerprint(),
            "targets": supervision.fingerprint(),
            "seed": self.seed,
            "network": {name: list(p.shape) for name, p in self.network.state_dict().items()},
            "objective": _settings(self.objective),
            "relaxation": _settings(self.relaxation),
            "training": {k: v for k, v in asdict(self.training).items() if k not in FREE},
            "torch": torch.__version__,
        }

    def _converged(self, stage: int) -> bool:
        """Whether the stage has gone on for ``patience`` epochs without a better loss."""
        if self.training.patience is None:
            return False
        losses = [record["L"] for record in self.history if record.get("stage", 0) == stage]
        return len(losses) - 1 - int(np.argmin(losses or [0])) >= self.training.patience


def _named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _settings(module: nn.Module) -> dict[str, str]:
    """Classes and plain public attributes of a module and of all those in it."""
    return {
        f"{name}.{key}": f"{value:.6g}" if isinstance(value, float) else repr(value)
        for name, part in module.named_modules()
        for key, value in {"class": type(part).__name__, **vars(part)}.items()
        if not key.startswith("_") and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _optimizer(network: Network, objective: Objective, training: Training) -> torch.optim.Optimizer:
    head, body = training.weight_decay, training.backbone_decay
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for part, factor, decay in (
        (network.backbone, training.backbone_factor(network.pretrained), body),
        (network.head, 1.0, head),
        (objective, 1.0, 0.0),
    ):
        for parameter in part.parameters():
            parameter.requires_grad_(parameter.requires_grad and factor > 0)
            if parameter.requires_grad:
                key = (factor, decay if parameter.ndim > 1 else 0.0)
                groups.setdefault(key, []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]
    if training.optimizer == "sgd":
        return torch.optim.SGD(settings, training.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(settings, training.learning_rate)
