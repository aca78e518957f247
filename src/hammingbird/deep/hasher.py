"""Deep hashers as scikit-learn estimators: parts and a training loop behind ``fit``."""

from __future__ import annotations

import copy
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hammingbird.codes import Codes, Output, check_n_bits, pack
from hammingbird.deep.center_hasher import CenterHasher
from hammingbird.deep.checkpoint import History
from hammingbird.deep.export import export_onnx
from hammingbird.deep.network import (
    FlipAndCrop,
    Network,
    Picture,
    Standardize,
    build,
    pictures_at_once,
    saved_config,
)
from hammingbird.deep.objective import Objective, Problem
from hammingbird.deep.relaxations import Identity, Relaxation
from hammingbird.deep.source import (
    ArraySource,
    DatasetSource,
    Source,
    evenly_spaced,
    is_dataset,
    moments,
)
from hammingbird.deep.supervision import Supervision, supervise
from hammingbird.deep.trainer import Trainer
from hammingbird.deep.training import Training
from hammingbird.errors import InputError
from hammingbird.estimator import check_is_fitted, check_random_state
from hammingbird.finite import Reach
from hammingbird.inputs import as_rows
from hammingbird.linear import Linear

if TYPE_CHECKING:
    from typing_extensions import Self

AT_ONCE = 1024
"""Rows that the network encodes together, where they are vectors; and of pictures those whose
features say how to standardise features."""


class TrainedHasher(CenterHasher):
    """Base of the hashers that a training loop makes.

    A subclass gives the parts. ``X`` is vectors [n, d] or images [n, h, w] or [n, h, w, c], in
    memory or memory-mapped, or a torch Dataset. ``history_`` holds, per epoch, the loss and each of
    its terms, the learning rate, and J and L: the loss before and after the sign on a fixed batch
    (HashNet, Fig. 7).
    """

    takes_images = True
    backbone: Any
    random_state: Any
    input_shape_: list[int]
    history_: History
    _watch: Callable[[Any], Mapping[str, float]] | None = None

    supervised = True

    @abstractmethod
    def _parts(self) -> tuple[Objective, Relaxation]:
        """Build new parts for one fit."""

    def _all_parts(self) -> tuple[Objective, Relaxation]:
        """Return the parts with what may be added to any method."""
        return self._parts()

    @abstractmethod
    def _training(self) -> Training:
        """Options of the training loop."""

    def _supervise(self, source: Source, y: Any) -> Supervision:
        """Turn ``y`` into targets; unsupervised methods make their own here."""
        return supervise(y, len(source))

    def _start(self, network: Network, source: Source, rng: np.random.RandomState) -> None:
        """Set the weights to start from, if not random ones."""

    def fit(
        self, X: Any, y: Any = None, *, watch: Callable[[Self], Mapping[str, float]] | None = None
    ) -> Self:
        """Train on vectors, images or a torch Dataset, and targets ``y``.

        ``watch`` is called after every epoch with this hasher, which encodes as far as it is
        trained; the numbers that it returns go into ``history_`` under their names.
        """
        self._watch = watch
        try:
            return self._fitted(X, y)
        finally:
            del self._watch

    def _fitted(self, X: Any, y: Any) -> Self:
        if not is_dataset(X):
            return super().fit(X, y)
        source = DatasetSource(X, self._training().workers)
        self.n_bits_ = check_n_bits(self.n_bits)
        self.n_features_in_ = int(np.prod(source.shape))
        self.input_shape_ = list(source.shape) if self._wants_images() else [self.n_features_in_]
        self._learn(source, source.labels() if y is None and self.supervised else y)
        (some,) = source.fetch([np.arange(min(AT_ONCE, len(source)))])
        self._check_learned(some.numpy(), Reach())
        return self

    def project(self, X: Any) -> NDArray[np.floating]:
        """Return the logits [n, n_bits] whose signs are the bits."""
        if not is_dataset(X):
            return super().project(X)
        check_is_fitted(self)
        source = DatasetSource(X, self._training().workers)
        batches = np.split(np.arange(len(source)), range(AT_ONCE, len(source), AT_ONCE))
        parts = zip(batches, source.fetch(batches), strict=True)
        return np.concatenate([self._scores(part.numpy(), int(rows[0])) for rows, part in parts])

    def relax(self, X: Any) -> NDArray[np.floating]:
        """Return what stood for the bits [n, n_bits] as the training ended, before the sign.

        In [-1, 1], where the method's relaxation is bounded (HashNet, Fig. 8).
        """
        logits = torch.from_numpy(np.asarray(self.project(X), np.float32))
        relaxation = self._parts()[1]
        relaxation.anneal(1.0)
        outputs: NDArray[np.floating] = relaxation(logits).numpy()
        return outputs

    def encode(self, X: Any) -> Codes:
        """Return packed codes; a torch Dataset is read a batch at a time."""
        return pack(self.project(X)) if is_dataset(X) else super().encode(X)

    def to_linear(self) -> Linear:
        """Return a hasher with the same codes that needs NumPy only; for linear networks."""
        check_is_fitted(self)
        return self._linear()

    def export_onnx(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write one ONNX graph with input ``X``, float32 [n, d] or images [n, h, w, c].

        Its outputs are ``codes``, the uint8 codes of ``transform``, and ``scores``.
        """
        check_is_fitted(self)
        if self._network().is_linear:
            self._linear().export_onnx(path, overwrite=overwrite)
            return
        network = copy.deepcopy(self._network()).cpu()
        export_onnx(network, tuple(self.input_shape_), path, overwrite=overwrite)

    def _linear(self) -> Linear:
        if not self._network().is_linear:
            raise InputError("only a hasher with backbone=None on vectors is linear")
        linear = Linear.of_network(self._weights())
        if hasattr(self, "feature_names_in_"):
            linear.feature_names_in_ = self.feature_names_in_
        return linear

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self._learn(ArraySource(X), y)

    def _learn(self, source: Source, y: Any) -> None:
        if self.supervised and y is None:
            raise InputError(
                f"{type(self).__name__} needs y: labels, label sets, Pairs, Triplets or Neighbors; "
                "requires y to be passed, but the target y is None"
            )
        training = self._training()
        if training.checkpoint is not None and not isinstance(self.random_state, int):
            raise InputError("a checkpoint needs an integer random_state to go on from")
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        supervision = self._supervise(source, y)
        shape = tuple(self.input_shape_)
        mean, scale = moments(source, shape)
        objective, relaxation = self._all_parts()
        self._forget()
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            network = build(
                copy.deepcopy(self.backbone), self._enter(mean, scale), shape, self.n_bits_
            )
            network.head.requires_grad_(True)
            if network.pretrained:
                (some,) = source.fetch([evenly_spaced(len(source), AT_ONCE)])
                network.standardize_features(some)
            self._start(network, source, rng)
            objective.prepare(self._problem(len(source), supervision, mean, seed))
        if training.augment and len(shape) == 3:
            network.augment = FlipAndCrop(padding=max(1, shape[0] // 8))
        trainer = Trainer(network, objective, relaxation, training, seed, type(self).__name__)
        if self._watch is not None:
            trainer.after_epoch = lambda: self._watched(trainer, supervision)
        self.history_ = trainer.fit(source, supervision)
        self._keep_centers(objective, supervision.classes)
        self._built = network.cpu()
        self._built.fold()
        if (config := saved_config(network)) is not None:
            self.backbone_config_ = config

    def _watched(self, trainer: Trainer, supervision: Supervision) -> dict[str, float]:
        """What the watcher finds in the hasher as it is now."""
        assert self._watch is not None
        self._built = trainer.network
        self._keep_centers(trainer.objective, supervision.classes)
        found = {name: float(value) for name, value in self._watch(self).items()}
        trainer.network.to(trainer.device)
        del self._built
        return found

    def _problem(
        self, n_rows: int, supervision: Supervision, mean: torch.Tensor, seed: int
    ) -> Problem:
        return Problem(
            n_rows=n_rows,
            n_bits=self.n_bits_,
            n_features=int(np.prod(self.input_shape_)),
            n_classes=supervision.n_classes,
            y=supervision.y,
            mean=mean.float(),
            random_state=seed,
        )

    def _enter(self, mean: torch.Tensor, scale: torch.Tensor) -> nn.Module:
        shape = tuple(self.input_shape_)
        return Standardize(mean, scale) if len(shape) == 1 else Picture(mean, scale, shape)

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        network = self._network()
        if network.is_linear:
            return self._linear()._project(X)
        device = self._training().torch_device()
        network.to(device).eval()
        X = np.require(X, requirements=["C", "W"])  # torch warns of maps that are read-only
        many = AT_ONCE if len(self.input_shape_) == 1 else pictures_at_once(device)
        with torch.inference_mode():
            parts = [
                network(torch.from_numpy(X[start : start + many]).to(device)).float().cpu()
                for start in range(0, len(X), many)
            ]
        return torch.cat(parts).numpy()

    def _check(self, X: Any, *, reset: bool) -> NDArray[Any]:
        """Flatten images, remembering their shape if the backbone is one for images."""
        X = as_rows(X)
        shape = tuple(getattr(X, "shape", ()))
        if len(shape) not in (3, 4):
            checked = super()._check(X, reset=reset)
            if reset:
                self.input_shape_ = [checked.shape[1]]
            return checked
        images = [int(size) for size in (shape[1:] if len(shape) == 4 else (*shape[1:], 1))]
        if not self._wants_images():
            images = [int(np.prod(images))]
        if not reset and images != self.input_shape_:
            raise InputError(f"images must be {self.input_shape_} as in fit, got {images}")
        checked = super()._check(np.asanyarray(X).reshape(shape[0], -1), reset=reset)
        if reset:
            self.input_shape_ = images
        return checked

    def _wants_images(self) -> bool:
        return isinstance(self.backbone, nn.Module) or self.backbone not in (None, "mlp")

    def _network(self) -> Network:
        """Return the trained network, rebuilt from the saved weights if it was loaded."""
        network: Network | None = self.__dict__.get("_built")
        if network is None:
            weights = self.__dict__["_loaded"]
            if self.backbone == OWN_MODULE:
                raise InputError(
                    "this hasher was trained with a network of your own: give it again with "
                    "set_params(backbone=module) before the first use"
                )
            width = self.input_shape_[-1]
            enter = self._enter(torch.zeros(width), torch.ones(()))
            shape = tuple(self.input_shape_)
            backbone = copy.deepcopy(self.backbone)
            config = getattr(self, "backbone_config_", None)
            network = build(backbone, enter, shape, self.n_bits_, pretrained=False, config=config)
            try:
                network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
            except RuntimeError as error:
                raise InputError(f"the saved weights do not fit the backbone: {error}") from error
            self._built = network.eval()
        return network

    def _forget(self) -> None:
        for name in ("_built", "_loaded", "backbone_config_"):
            self.__dict__.pop(name, None)

    def _weights(self) -> dict[str, NDArray[Any]]:
        state = self._network().state_dict()
        return {f"network.{k}": v.detach().cpu().numpy().copy() for k, v in state.items()}

    def _take_weights(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self._loaded = {
            k.removeprefix("network."): v for k, v in arrays.items() if k.startswith("network.")
        }
        return {k: v for k, v in arrays.items() if not k.startswith("network.")}

    def _parameters(self) -> dict[str, Any]:
        parameters = super()._parameters()
        if isinstance(parameters.get("backbone"), nn.Module):
            parameters["backbone"] = OWN_MODULE
        return parameters


OWN_MODULE = "a module of the user's"
DEFAULT_TRAINING = Training()


class DeepHasher(TrainedHasher):
    """A deep hasher of any parts: an objective, a relaxation of the sign, a backbone.

    ``DeepHasher(48, objective=MutualInformation() + 0.1 * Quantization())``. ``y`` is what the
    objective needs.
    """

    def __init__(
        self,
        n_bits: int = 64,
        *,
        objective: Objective | None = None,
        relaxation: Relaxation | None = None,
        backbone: Any = None,
        training: Training = DEFAULT_TRAINING,
        output: Output = "packed",
        random_state: Any = None,
    ) -> None:
        self.n_bits = n_bits
        self.objective = objective
        self.relaxation = relaxation
        self.backbone = backbone
        self.training = training
        self.output = output
        self.random_state = random_state

    @property
    def supervised(self) -> bool:  # type: ignore[override]
        """Whether the objective reads more than the vectors."""
        return isinstance(self.objective, Objective) and any(
            part.needs != "nothing" for _, _, part in self.objective.terms()
        )

    def _parts(self) -> tuple[Objective, Relaxation]:
        if not isinstance(self.objective, Objective):
            raise InputError(
                "objective must be an Objective, such as MutualInformation(), "
                f"got {self.objective!r}"
            )
        return copy.deepcopy(self.objective), copy.deepcopy(self.relaxation) or Identity()

    def _training(self) -> Training:
        return self.training

    def _parameters(self) -> dict[str, Any]:
        # A loaded hasher encodes; its parts are code, and are given again to train it anew.
        parameters = super()._parameters()
        return {name: parameters[name] for name in ("n_bits", "backbone", "output", "random_state")}
