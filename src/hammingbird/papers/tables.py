"""Tables of retrieval figures: what a paper claims beside what ``compare`` finds on data at hand.

The papers' images and backbones cannot be had, so figures are not expected to agree; the order of
the methods is, and Kendall's tau says how far it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from hammingbird.comparison.results import Record, read_results
from hammingbird.comparison.run import compare
from hammingbird.errors import InputError
from hammingbird.papers import markdown
from hammingbird.papers.places import MissingDataError
from hammingbird.papers.published import Parts
from hammingbird.papers.quick import ends, fewer_rows
from hammingbird.report.axes import Line, line_panel
from hammingbird.report.canvas import save_panels
from hammingbird.report.page import write_report
from hammingbird.storage import replacing

SEEDS = (0, 1, 2)
UNSAID = ("checkpoint",)
"""Parameters that change no result."""
FITS = "seconds of fits"
"""And of encoding, of all cells of a table, also of those that were kept."""
STANDS_IN = "stands in, as this is missing"
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    method: str
    """Its name in the catalog."""
    claimed: Numbers | None
    """What the paper prints, one number per length; None for a row of ours."""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The method, and what was set on it."""
        return " ".join([self.method, *(f"{k}={v}" for k, v in self.parameters.items())])


@dataclass(frozen=True)
class Table:
    """One block of a paper's table, and the data that it is made again on; calling it makes it."""

    name: str
    """What its files are called."""
    data: Callable[[], Parts]
    """Gives the parts to learn from, to ask for and to search in."""
    claimed_on: str
    """Data and network of the paper."""
    metric: str
    bits: tuple[int, ...]
    rows: tuple[Row, ...]
    relevance: str = "labels"
    stand_in: Callable[[], Parts] | None = None
    """Gives other parts where the paper's own data are not there; the table says so."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Set on every row, beside the row's own."""

    def __call__(
        self, out: Path, seeds: Sequence[int] | None = None, *, quick: bool = False
    ) -> dict[str, Any]:
        """Run what is missing; write ``<name>.md`` and a plot; return records.

        Where a method cannot give so many bits, ``found`` is None.
        """
        if quick:
            return self.short()(out, (seeds or SEEDS)[:1])
        seeds = seeds or SEEDS
        parts, missing = self.parts()
        train, query, database = parts
        found, ceiling = self._run(parts, out / "runs", seeds)
        records = [
            {
                "row": row.label,
                "bits": bits,
                "claimed": claimed,
                **_over_seeds(cells, self.metric),
            }
            for row in self.rows
            for bits, claimed, cells in zip(
                self.bits, row.claimed or [None] * len(self.bits), found[row.label], strict=True
            )
        ]
        seconds = (sum(r["seconds"].values()) for row in found.values() for r in chain(*row))
        taus = [_tau([r for r in records if r["bits"] == bits]) for bits in self.bits]
        content = {
            "data": train.name,
            "rows": {"train": len(train.X), "query": len(query.X), "database": len(database.X)},
            "claimed on": self.claimed_on,
            **({STANDS_IN: missing} if missing else {}),
            "metric": self.metric,
            "parameters": dict(self.parameters),
            "float": ceiling,
            "kendall tau": dict(zip(map(str, self.bits), taus, strict=True)),
            FITS: round(sum(seconds), 1),
            "records": records,
        }
        with replacing(out / f"{self.name}.md") as temporary:
            temporary.write_text(as_markdown(content), "utf-8")
        if len(self.bits) > 1:
            panels = [
                line_panel(title, "bits", self.metric, _lines(self, records, key))
                for title, key in (
                    (f"claimed: {self.claimed_on}", "claimed"),
                    (f"found: {train.name}", "found"),
                )
                if any(record[key] is not None for record in records)
            ]
            save_panels(out / f"{self.name}.svg", panels)
        return content

    def parts(self) -> tuple[Parts, str]:
        """The paper's own data; or what stands in for them, and what is missing."""
        try:
            return self.data(), ""
        except MissingDataError as error:
            if self.stand_in is None:
                raise
            return self.stand_in(), error.what

    def short(self) -> Table:
        """The table by the rule of :mod:`hammingbird.papers.quick`, but for the seeds."""
        stand_in = self.stand_in
        rows = (replace(row, claimed=row.claimed and ends(row.claimed)) for row in self.rows)
        return replace(
            self,
            data=lambda: fewer_rows(self.data()),
            stand_in=stand_in and (lambda: fewer_rows(stand_in())),
            bits=ends(self.bits),
            rows=tuple(rows),
        )

    def _run(
        self, parts: Parts, out: Path, seeds: Sequence[int]
    ) -> tuple[dict[str, list[list[dict[str, Any]]]], float]:
        """What was measured per row, length and seed, and the value of the float vectors."""
        found: dict[str, list[list[dict[str, Any]]]] = {}
        ceiling = 0.0
        for rows, results, _ in self.run(parts, out, seeds):
            records = results["records"]
            ceiling = records[0]["metrics"][self.metric]
            for row in rows:
                found[row.label] = [
                    [r for r in records if (r["method"], r["bits"]) == (row.method, bits)]
                    for bits in self.bits
                ]
        return found, ceiling

    def run(
        self, parts: Parts, out: Path, seeds: Sequence[int] = SEEDS
    ) -> list[tuple[list[Row], dict[str, Any], list[Record]]]:
        """Compare what is not yet compared; return rows of equal parameters, results and curves.

        Runs are kept below ``out`` by data and parameters, so that tables and figures share them.
        """
        done = []
        for parameters in {str(row.parameters): row.parameters for row in self.rows}.values():
            rows = [row for row in self.rows if row.parameters == parameters]
            settings = {**self.parameters, **parameters}
            said = {k: v for k, v in settings.items() if k not in UNSAID}
            folder = out / "-".join([parts[0].name, *(f"{k}={_name(v)}" for k, v in said.items())])
            made = compare(
                *parts,
                methods=[row.method for row in rows],
                bits=self.bits,
                seeds=seeds,
                relevance=self.relevance,
                out=folder,
                metrics=[self.metric, *_bounds(self.metric)],
                parameters=settings,
            )
            write_report(folder)
            results, cells = read_results(folder)
            if _cells(results) != _cells(made):
                raise InputError(
                    f"another run has written to {folder} meanwhile: make one result at a time in "
                    "a folder, or give each its own --out"
                )
            done.append((rows, results, cells))
        return done


def _cells(results: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Which methods, lengths and seeds are in results."""
    return [(r["method"], r["bits"], r["seed"]) for r in results["records"]]


def as_markdown(content: Mapping[str, Any]) -> str:
    """Write what a table found, beside what is claimed where anything is."""
    records = content["records"]
    lengths = list(dict.fromkeys(r["bits"] for r in records))
    claims = any(r["claimed"] is not None for r in records)
    words = ("{} bits: claimed", "found") if claims else ("{} bits",)
    header = [word.format(bits) for bits in lengths for word in words]
    rows = []
    for label in dict.fromkeys(r["row"] for r in records):
        cells = [
            text
            for r in records
            if r["row"] == label
            for text in (
                *([_short(r["claimed"])] if claims else []),
                _found(r),
            )
        ]
        rows.append([label, *cells])
    if claims:
        taus = [text for tau in content["kendall tau"].values() for text in ("", f"{tau:+.2f}")]
        rows.append(["Kendall's tau", *taus])
    said = f"{content['data']} for {content['claimed on']}" if content.get(STANDS_IN) else ""
    return markdown.table([said, *header], rows)


def _found(record: Mapping[str, Any]) -> str:
    """The mean, its spread over seeds, and between what the order of ties leaves it."""
    text = _short(record["found"])
    if record["seeds"] > 1:
        text += f" ± {_short(record['std'])}"
    if record.get("worst") is not None:
        text += f" [{_short(record['worst'])}, {_short(record['best'])}]"
    return text


def _bounds(metric: str) -> list[str]:
    """What a MAP is if tied items come in the worst order, and in the best."""
    name, *cut = metric.split("@")
    return ["@".join([f"{name}_{order}", *cut]) for order in ("worst", "best")]


def _over_seeds(cells: Sequence[Mapping[str, Any]], metric: str) -> dict[str, float | int | None]:
    """Means of a metric and its bounds over seeds, and how far it spreads; None without any."""
    found, worst, best = (
        [float(cell["metrics"][name]) for cell in cells] for name in (metric, *_bounds(metric))
    )
    return {
        "found": float(np.mean(found)) if cells else None,
        "std": float(np.std(found)) if len(cells) > 1 else None,
        "worst": float(np.mean(worst)) if cells else None,
        "best": float(np.mean(best)) if cells else None,
        "seeds": len(cells),
    }


def _name(value: Any) -> str:
    """A parameter as part of a folder's name: of a path only what comes last."""
    return str(value).rpartition("/")[2]


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".removeprefix("0")


def _tau(records: list[dict[str, Any]]) -> float:
    """Kendall's tau of the claimed and the found order; 0 where there is none."""
    pairs = [(r["claimed"], r["found"]) for r in records if r["seeds"] and r["claimed"] is not None]
    if len(pairs) < 2:
        return 0.0
    tau = kendalltau(*zip(*pairs, strict=True)).statistic
    return 0.0 if np.isnan(tau) else float(tau)


def variants(rows: Sequence[Row]) -> list[bool]:
    """Whether a row is the plug-in ``_D`` on the method of the row before it."""
    before = ["", *(row.method for row in rows)]
    return [row.method == f"{host}_d" for host, row in zip(before, rows, strict=False)]


def _lines(table: Table, records: list[dict[str, Any]], key: str) -> list[Line]:
    return [
        Line(
            row.label,
            [
                (r["bits"], r[key])
                for r in records
                if r["row"] == row.label and r["seeds"] and r[key] is not None
            ],
            variant=variant,
        )
        for row, variant in zip(table.rows, variants(table.rows), strict=True)
    ]
