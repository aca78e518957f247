"""Figures and tables of the papers and of this library: ``hammingbird reproduce NAME``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hammingbird.errors import InputError
from hammingbird.storage import package_version, write_json


@dataclass(frozen=True)
class Result:
    """A figure or table of a paper, made again."""

    path: str
    """``module:name`` in this folder; what it names takes the output folder and returns JSON."""
    summary: str


RESULTS: Mapping[str, Result] = MappingProxyType(
    {
        "sgh-fig4": Result("sgh:error_by_examples", "reconstruction error by examples seen, MNIST"),
        "sgh-fig5": Result("sgh:time_to_error", "training time of BA and SGH to one error, MNIST"),
        "sgh-fig6": Result("sgh:recall_by_rank", "Recall 1@N and 10@N, MNIST and SIFT"),
        "sgh-fig7": Result("sgh:recall_by_bits", "Recall 100@100 over bits, MNIST and SIFT"),
        "sgh-fig8": Result("sgh:inner_products", "maximum inner product search, word vectors"),
        "hashnet-table1": Result("hashnet:IMAGENET100", "HashNet and others, ImageNet-100"),
        "hashnet-table3": Result("hashnet:VARIANTS", "HashNet's variants, one label a row"),
        "hashnet-table3-sets": Result("hashnet:LABEL_SETS", "HashNet's variants, label sets"),
        "mihash-table1": Result("mihash:CIFAR_1", "MIHash and others, CIFAR-10, few labels"),
        "mihash-table2": Result("mihash:CIFAR_2", "MIHash and others, CIFAR-10, all labels"),
        "mihash-table3": Result("mihash:IMAGENET100", "MIHash and others, ImageNet-100"),
        "mihash-table4": Result("mihash:LABELME", "MIHash and others, neighbours of GIST"),
        "mihash-table5": Result("mihash:ABLATION", "MIHash by gamma and by batch size"),
        "lower-bound-table1": Result("lower_bound:HOSTS", "the plug-in _D on six methods"),
        "lower-bound-table1-mlp": Result(
            "lower_bound:HOSTS_MLP", "the plug-in _D on six methods, two hidden layers"
        ),
        "lower-bound-table2": Result("lower_bound:table2", "CSQ_D by how its centres are made"),
        "distilled": Result("distilled:neighbors_kept", "DistilledHash beside ITQ, four sets"),
        "evaluation-rules": Result("rules:by_rules", "one set of codes by all repositories' rules"),
        "distilled-prefixes": Result("distilled:prefixes", "one model for 16, 32 and 64 bits"),
    }
)


def reproduce(
    name: str, out: str | os.PathLike[str], seeds: Sequence[int] | None = None
) -> dict[str, Any]:
    """Make one result; write ``<name>.json`` and its plots into ``out``, and return the JSON.

    ``seeds`` are those of a table, three if left out; figures have one of their own.
    """
    if name not in RESULTS:
        raise InputError(f"no result is called {name!r}: choose from {', '.join(RESULTS)}")
    module, maker = RESULTS[name].path.split(":")
    make = getattr(import_module(f"{__name__}.{module}"), maker)
    out = Path(out)
    arguments = {} if seeds is None else {"seeds": seeds}
    if not arguments.keys() <= signature(make).parameters.keys():
        raise InputError(f"{name} has a seed of its own: leave the seeds out")
    content = {
        "name": name,
        "summary": RESULTS[name].summary,
        "hammingbird": package_version(),
        **make(out, **arguments),
    }
    write_json(out / f"{name}.json", content)
    return content
