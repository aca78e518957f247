"""A saved hasher as a model repository of Hugging Face: its files, and a card with measurements."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hammingbird import catalog
from hammingbird.comparison.results import Row, average, read_results
from hammingbird.errors import FileError, InputError
from hammingbird.report.words import facts
from hammingbird.storage import Manifest, load_folder, package_version, replacing

FIRST = ("map", "recall10@10", "recall10@100")
"""Metrics that lead the table, where they were measured."""
COLUMNS = 6


def write_repository(
    model: str | os.PathLike[str],
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    method: str | None = None,
    license_name: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a folder that is uploaded as it is: ``README.md``, the hasher's files, the results.

    ``hb.load`` reads the folder as any saved hasher. The card carries the table of ``run``, what
    ``compare`` stored, which must have a row of this hasher's method and bits; ``method`` names the
    row where several methods are of one class. Returns the folder.
    """
    model, out = Path(model), Path(out)
    if out.resolve() == model.resolve():
        raise InputError(f"{out} is the model itself: give another folder to write to")
    manifest, _ = load_folder(model, "hasher")
    results, _ = read_results(Path(run))
    rows = average(results)
    own = own_row(manifest, rows, method)
    text = card(out.name, manifest, results, rows, own, license_name)
    if overwrite and out.exists() and not (out / "hasher.json").is_file():
        raise FileError(f"{out} is no repository of a hasher: not replaced")
    with replacing(out, overwrite) as temporary:
        temporary.mkdir()
        for name in ("hasher.json", *manifest["files"]):
            shutil.copyfile(model / name, temporary / name)
        shutil.copyfile(Path(run) / "results.json", temporary / "results.json")
        (temporary / "README.md").write_text(text, "utf-8")
    return out


def own_row(manifest: Manifest, rows: Sequence[Row], method: str | None) -> Row:
    """The row of the run that measures such a hasher as was saved."""
    n_bits, kind = manifest["n_bits"], manifest["class"]
    known = catalog.methods().values()
    of_class = {one.name for one in known if one.path.endswith(f":{kind}")}
    if method is not None and of_class and method not in of_class:
        raise InputError(f"the model is a {kind}, and {method!r} is none: leave --method out")
    names = of_class if method is None else {method}
    found = [row for row in rows if row.method in names and row.bits == n_bits]
    if len(found) == 1:
        return found[0]
    there = ", ".join(row.name for row in rows)
    if not found:
        raise InputError(
            f"the run has no row of a {kind} of {n_bits} bits (it has: {there}): compare with it, "
            "or name a row's method with --method"
        )
    raise InputError(
        f"{', '.join(row.name for row in found)} are all of the class {kind}: name the one that "
        "this model is with --method"
    )


def card(
    name: str,
    manifest: Manifest,
    results: Mapping[str, Any],
    rows: Sequence[Row],
    own: Row,
    license_name: str | None = None,
) -> str:
    """The model card: front matter as the hub reads it, how to use the model, what was measured."""
    data, protocol = results.get("data", {}), results.get("protocol", {})
    data_name = str(data.get("name") or "unnamed vectors")
    searched, asked = (data.get(part, {}).get("rows") for part in ("database", "query"))
    width = manifest.get("state", {}).get("n_features_in_")
    front = {
        "library_name": "hammingbird",
        "pipeline_tag": "feature-extraction",
        "tags": ["hammingbird", "learning-to-hash", "binary-codes", own.method],
        **({"license": license_name} if license_name else {}),
        "model-index": [{"name": name, "results": [_result(own, data_name)]}],
    }
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items()), "---", ""]
    lines += [
        f"# {_plain(name)}",
        "",
        f"A `{_plain(own.method)}` hasher of [Hammingbird](https://pypi.org/project/hammingbird/): "
        f"from vectors of {width or 'its'} numbers to packed codes of {manifest['n_bits']} bits, "
        f"uint8, the first bit highest. Saved by version {manifest.get('hammingbird')}.",
        "",
        "```python",
        "import hammingbird as hb",
        "from huggingface_hub import snapshot_download",
        "",
        'hasher = hb.load(snapshot_download("OWNER/NAME"))',
        "codes = hasher.transform(vectors)  # [n, bytes]",
        "```",
        "",
        "## Measured",
        "",
        f"`hammingbird compare` learned models by these methods on {_plain(data_name)} and "
        f"searched {_number(searched)} items with {_number(asked)} queries. The row in bold is of "
        "the method and the bits of this model, learned by the comparison itself. More is in "
        "`results.json`.",
        "",
        *table(rows, own),
        "",
        *(f"- {_plain(name)}: {_plain(value)}" for name, value in facts(protocol)),
        "",
        f"Written by hammingbird {package_version()}.",
        "",
    ]
    return "\n".join(lines)


def table(rows: Sequence[Row], own: Row) -> list[str]:
    """What was measured, as lines of Markdown; the mean over seeds, and their deviation."""
    measured = list(dict.fromkeys(name for row in rows for name in row.metrics))
    metrics = sorted(measured, key=lambda name: name not in FIRST)[:COLUMNS]
    heads = ["method", "bits", "bytes", *metrics]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [_plain(row.method), str(row.bits or ""), _number(row.bytes_per_item)]
        for name in metrics:
            value = row.metrics.get(name)
            cells.append("" if value is None else f"{value.mean:.3f}")
            if value is not None and value.deviation is not None:
                cells[-1] += f" ± {value.deviation:.3f}"
        if row is own:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _result(own: Row, data: str) -> dict[str, Any]:
    return {
        "task": {"type": "feature-extraction", "name": "search by Hamming distance"},
        "dataset": {"type": "own", "name": data},
        "metrics": [
            {"type": name, "name": name, "value": round(value.mean, 6)}
            for name, value in own.metrics.items()
        ],
    }


def _plain(text: object) -> str:
    """Text that means nothing to Markdown or HTML."""
    return "".join(
        f"\\{c}" if c in "\\`*_[]<>|#&" else " " if c in "\r\n" else c for c in str(text)
    )


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "its"
