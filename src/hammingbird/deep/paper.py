"""Base of the papers' methods: their parameters, and those of the training loop, by keyword."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar, Literal

from hammingbird.centers import Assignment, Kind
from hammingbird.codes import Output
from hammingbird.deep.hasher import TrainedHasher
from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.posterior import CodePosterior
from hammingbird.deep.relaxations import Relaxation
from hammingbird.deep.training import Training
from hammingbird.errors import InputError


class PaperMethod(TrainedHasher):
    """Base of the papers' methods: their parameters and those of :class:`Training` by keyword.

    ``training_defaults`` is what a method changes of :class:`Training`. All parameters show in the
    signature, so that scikit-learn can clone, tune and save them.

    Parameters
    ----------
    posterior
        The plug-in ``_D`` of Lower Bound, :class:`CodePosterior`: ``added`` to the method's own
        objective, ``instead`` of it, or ``untrained`` (added, its surrogate left as it was drawn).
        The four parameters below belong to it and do nothing without it; CSQ, which has centres of
        its own, takes ``centers`` and ``assignment`` for both.
    posterior_weight
        What the added plug-in is multiplied by.
    centers
        How centres are made, see :func:`hammingbird.centers.make_centers`.
    assignment
        ``fixed``: a class keeps the centre it was given, as in the papers. ``nearest``, of this
        library: after every epoch it takes the one near its mean output.
    flips
        Probability that a logit changes its sign where the surrogate learns; not in the paper.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {}
    posterior: Literal["added", "instead", "untrained"] | None
    posterior_weight: float
    centers: Kind
    assignment: Assignment
    flips: float

    def __init__(
        self,
        n_bits: int = 64,
        *,
        backbone: Any = None,
        output: Output = "packed",
        random_state: Any = None,
        **training: Any,
    ) -> None:
        self.n_bits = n_bits
        self.backbone = backbone
        self.output = output
        self.random_state = random_state
        defaults = self._training_options()
        if unknown := training.keys() - defaults:
            raise TypeError(f"{type(self).__name__} has no parameter {sorted(unknown)[0]!r}")
        for name, value in {**defaults, **training}.items():
            setattr(self, name, value)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Write the parameters of the training loop into the signature."""
        super().__init_subclass__(**kwargs)
        if "__init__" not in vars(cls):
            return
        own = inspect.signature(cls.__init__).parameters.values()
        base = {
            "backbone": None,
            "output": "packed",
            "random_state": None,
            **cls._training_options(),
        }
        shown = [p for p in own if p.kind is not p.VAR_KEYWORD]
        shown += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
            for name, value in base.items()
            if name not in {p.name for p in own}
        ]
        cls.__init__.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]

    @classmethod
    def _training_options(cls) -> dict[str, Any]:
        plug_in = {"posterior": None, "posterior_weight": 1.0}
        centers = {"centers": "auto", "assignment": "fixed", "flips": 0.0}
        return {**plug_in, **centers, **asdict(Training()), **cls.training_defaults}

    def _all_parts(self) -> tuple[Objective, Relaxation]:
        objective, relaxation = self._parts()
        if self.posterior not in (None, "added", "instead", "untrained"):
            raise InputError(
                f"posterior must be None, 'added', 'instead' or 'untrained', got {self.posterior!r}"
            )
        if self.posterior is not None:
            plug_in = CodePosterior(
                self.centers,
                self.assignment,
                trained=self.posterior != "untrained",
                flips=self.flips,
            )
            if self.posterior == "instead":
                return plug_in, relaxation
            objective = objective + self.posterior_weight * plug_in
        return objective, relaxation

    def _training(self) -> Training:
        return Training(**{field.name: getattr(self, field.name) for field in fields(Training)})
