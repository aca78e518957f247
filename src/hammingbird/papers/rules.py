"""One set of codes under the rules of all published repositories, beside this library's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hammingbird import catalog
from hammingbird.evaluation import evaluate
from hammingbird.evaluation.legacy import RULES
from hammingbird.papers.markdown import write_table
from hammingbird.papers.sources import cifar_1_features, tmc2007

METHOD, BITS = "itq", (12, 32, 64)
OWN = ("map", "map_worst", "map_best")


def by_rules(out: Path) -> dict[str, Any]:
    """MAP of ITQ's codes by every rule, with the database in its order and sorted by class."""
    records: list[dict[str, Any]] = []
    for name, make in (("CIFAR-10, cifar-1", cifar_1_features), ("TMC2007", tmc2007)):
        train, query, database = make()
        assert query.y is not None
        assert database.y is not None
        in_order = np.arange(len(database.X))
        orders = {"": in_order}
        if database.y.ndim == 1:
            orders[", sorted by class"] = np.argsort(database.y, kind="stable")
        for bits in BITS:
            hasher = catalog.make(METHOD, bits, 0).fit(train.X)
            asked, codes = hasher.transform(query.X), hasher.transform(database.X)
            for about, rows in orders.items():
                given: dict[str, Any] = {
                    "n_bits": bits,
                    "query_labels": query.y,
                    "database_labels": database.y[rows],
                }
                found = evaluate(asked, codes[rows], metrics=OWN, **given)
                for rule in RULES:
                    printed = evaluate(asked, codes[rows], metrics=["map"], legacy=rule, **given)
                    found[rule] = printed["map"]
                records.append({"data": f"{name}{about}", "bits": bits, "map": found})
    titles = [f"{record['data']}, {record['bits']} bits" for record in records]
    names = {"map": "expected over ties", "map_worst": "worst order", "map_best": "best order"}
    names |= {name: f"`{name}` ({rule.repository})" for name, rule in RULES.items()}
    table = [
        {"rule": said}
        | {title: f"{r['map'][rule]:.4f}" for title, r in zip(titles, records, strict=True)}
        for rule, said in names.items()
    ]
    write_table(out / "evaluation-rules.md", list(table[0]), (list(row.values()) for row in table))
    return {"method": METHOD, "seed": 0, "records": records, "table": table}
