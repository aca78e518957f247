"""A module of sentence-transformers that turns the embeddings before it into packed codes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hammingbird import catalog, codes
from hammingbird.errors import FileError, MissingExtraError
from hammingbird.estimator import check_is_fitted
from hammingbird.hasher import Hasher

FOLDER = "hasher"


class HashLayer(nn.Module):
    """The last module of a model: ``SentenceTransformer(modules=[*encoder, HashLayer(hasher)])``.

    ``encode`` of the model then returns codes, uint8 [n, bytes], the first bit highest: what
    sentence-transformers calls ``ubinary``, but by a hasher that was learned. The scores before the
    sign stay in the features, as ``sentence_scores``. Nothing here is trained by back-propagation.

    Parameters
    ----------
    hasher
        A fitted hasher of vectors as wide as the embeddings.
    """

    def __init__(self, hasher: Hasher) -> None:
        super().__init__()
        check_is_fitted(hasher)
        self.hasher = hasher

    def forward(self, features: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Put codes [n, bytes] in the place of ``sentence_embedding`` [n, d]."""
        embeddings: Tensor = features["sentence_embedding"]
        scores = self.hasher.project(embeddings.detach().float().cpu().numpy())
        packed = torch.from_numpy(codes.pack(scores)).to(embeddings.device)
        return {
            **features,
            "sentence_embedding": packed,
            "sentence_scores": torch.from_numpy(scores).to(embeddings.device),
        }

    def get_embedding_dimension(self) -> int:
        """Bytes of a code: what ``encode`` gives a row."""
        return codes.n_bytes(self.hasher.n_bits_)

    get_sentence_embedding_dimension = get_embedding_dimension
    """Its name up to version 5."""

    def save(self, output_path: str | os.PathLike[str], *arguments: Any, **options: Any) -> None:
        """Save the hasher into the module's folder."""
        self.hasher.save(Path(output_path) / FOLDER, overwrite=True)

    @classmethod
    def load(
        cls, model_name_or_path: str | os.PathLike[str], subfolder: str = "", **options: Any
    ) -> HashLayer:
        """Load what :meth:`save` wrote: from a folder, or from a repository of the hub."""
        here = Path(model_name_or_path, subfolder, FOLDER)
        if here.is_dir():
            return cls(catalog.load(here))
        try:
            from sentence_transformers.util import load_dir_path
        except ImportError as error:
            raise MissingExtraError("sentence-transformers", "hub") from error
        wanted = ("token", "cache_folder", "revision", "local_files_only")
        found = load_dir_path(
            str(model_name_or_path),
            Path(subfolder, FOLDER).as_posix(),
            **{name: options[name] for name in wanted if name in options},
        )
        if found is None:
            raise FileError(
                f"{model_name_or_path} has no {subfolder}/{FOLDER}: save the model again"
            )
        return cls(catalog.load(found))
