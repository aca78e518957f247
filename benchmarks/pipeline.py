"""Codes in scikit-learn's pipelines, on Banking77: packed bytes, bits and signs before KNN.

    python benchmarks/pipeline.py

Also what a search over lengths finds by `score`: MAP with labels, the recall of the rows' own
neighbours without.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import hammingbird as hb
from hammingbird.datasets import load
from hammingbird.papers.places import data_file

LENGTHS = [16, 32, 64, 128]


def listed(scores: Iterable[float]) -> str:
    return "  ".join(f"{bits}: {s:.3f}" for bits, s in zip(LENGTHS, scores, strict=True))


def main() -> None:
    train, test = (load(data_file(f"banking77/banking77_{part}.npz")) for part in ("train", "test"))
    floats = KNeighborsClassifier().fit(train.X, train.y).score(test.X, test.y)
    print(f"5 nearest neighbours, test accuracy; floats {floats:.3f}")
    for output in ("packed", "bits", "signs"):
        scores = [
            make_pipeline(hb.ITQ(bits, output=output, random_state=0), KNeighborsClassifier())
            .fit(train.X, train.y)
            .score(test.X, test.y)
            for bits in LENGTHS
        ]
        print(
            f"{output:<8}", *(f"{bits}: {s:.3f}" for bits, s in zip(LENGTHS, scores, strict=True))
        )
    X = np.asarray(train.X, np.float32)
    for name, labels in (("MAP with labels", train.y), ("recall10@10 without", None)):
        search = GridSearchCV(hb.ITQ(random_state=0), {"n_bits": LENGTHS}, cv=3).fit(X, labels)
        print(f"GridSearchCV, {name}:", listed(search.cv_results_["mean_test_score"]))
    steps = make_pipeline(hb.ITQ(output="bits", random_state=0), KNeighborsClassifier())
    search = GridSearchCV(steps, {"itq__n_bits": LENGTHS}, cv=3).fit(X, train.y)
    print("GridSearchCV, KNN on bits:", listed(search.cv_results_["mean_test_score"]))
    print(f"best: {search.best_params_}, test accuracy {search.score(test.X, test.y):.3f}")


if __name__ == "__main__":
    main()
