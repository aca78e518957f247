import json
import shlex

import numpy as np
import pytest
from typer.testing import CliRunner

from hammingbird.catalog import load, make
from hammingbird.cli import app
from hammingbird.datasets import hold_out
from hammingbird.doctor import examine, trials
from hammingbird.doctor.quality import ASYMMETRIC, HAMMING, USES
from hammingbird.doctor.trials import Candidate
from hammingbird.errors import InputError
from hammingbird.targets import nearest_vectors


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(trials, "METHODS", (Candidate("rotated-pca", 0, 1), Candidate("lsh", 0, 9)))
    monkeypatch.setattr(trials, "LENGTHS", (16, 32))


def clusters(n=2600, d=24, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 12, n)
    centers = 2 * np.random.default_rng(9).standard_normal((12, d))
    return (centers[y] + rng.standard_normal((n, d))).astype(np.float16), y


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "METHODS", (Candidate("rotated-pca", 0, 1), Candidate("lsh", 0, 9)))
        patch.setattr(trials, "LENGTHS", (16, 32))
        return examine(clusters()[0], n_queries=300, against=clusters(500, seed=1)[0])


def test_what_is_said_is_what_brute_force_finds(found):
    X = clusters()[0]
    queries, kept = hold_out(X, 300)
    truth = nearest_vectors(X[queries], X[kept], 10).ids
    signs = np.where(X.astype(np.float32) >= 0, 1, -1)
    distances = (X.shape[1] - signs[queries] @ signs[kept].T) // 2
    limit = np.sort(distances, axis=1)[:, 99:100]
    # Expected over ties: all that are nearer, and a share of those at the hundredth's distance.
    nearer, level = (distances < limit).sum(1), (distances == limit).sum(1)
    share = ((100 - nearer) / level)[:, None]
    theirs = np.take_along_axis(distances, truth, axis=1)
    recall = np.where(theirs < limit, 1, np.where(theirs == limit, share, 0)).mean()
    assert found.untrained.kept["re-rank of 100"].value == pytest.approx(recall)


def test_answers_keep_what_they_promise(found):
    by_size = {(code.method, code.bits): code for code in found.codes}
    assert {answer.use for answer in found.answers} == set(USES)
    for answer in found.answers:
        shorter = [code for code in found.codes if answer.bits is None or code.bits < answer.bits]
        assert all(code.kept[answer.use].low < answer.target for code in shorter)
        if answer.bits:
            kept = by_size[answer.method, answer.bits].kept[answer.use]
            assert kept == answer.kept
            assert kept.low >= answer.target
            assert answer.queries_a_second > 0
    assert [code.bits for code in found.codes] == [16, 24, 32]


def test_a_length_is_won_by_bits_and_by_tables(monkeypatch):
    tried = (Candidate("lsh", 0, 9), Candidate("polysemous", 0, 9, step=64))
    monkeypatch.setattr(trials, "METHODS", tried)
    monkeypatch.setattr(trials, "LENGTHS", (64,))
    X = np.random.default_rng(0).standard_normal((4000, 32)).astype(np.float32)
    found = examine(X, n_queries=200)
    by_bits, by_tables = found.codes[-2:]
    assert (by_bits.method, by_tables.method) == ("lsh", "polysemous")
    assert by_bits.kept[HAMMING].value > by_tables.kept[HAMMING].value
    assert by_tables.kept[ASYMMETRIC].value > by_bits.kept[ASYMMETRIC].value + 0.1
    queries, kept = hold_out(X, 200)
    model = make("polysemous", 64, 0).fit(X[kept])
    decoded = model.reconstruct(model.encode(X[kept]))
    first, truth = (nearest_vectors(X[queries], rows, 10).ids for rows in (decoded, X[kept]))
    shared = np.mean([np.isin(a, b).mean() for a, b in zip(truth, first, strict=True)])
    assert by_tables.kept[ASYMMETRIC].value == pytest.approx(shared, abs=0.02)
    near = {answer.target: answer for answer in found.answers if answer.use == ASYMMETRIC}
    assert near[0.9].method in (None, "polysemous")


def test_a_re_rank_of_more_finds_more(found):
    for code in [*found.codes, *found.losers, found.untrained]:
        by_candidates = [code.kept[use].value for use in USES if use.startswith("re-rank")]
        assert by_candidates == sorted(by_candidates)
        assert code.kept[HAMMING].value <= code.kept[ASYMMETRIC].value + 0.05


def test_recall_falls_as_rows_grow(found):
    for growth in found.growth:
        line = [e.value for e in growth.measured + growth.extrapolated]
        assert line == sorted(line, reverse=True)
        assert growth.sizes == [143, 575, 2300]
        assert growth.later_sizes == [26_000, 260_000]
        assert growth.check == pytest.approx(growth.measured[-1].value, abs=0.1)


def test_new_rows_of_the_same_kind(found):
    assert not found.drift.moved
    assert found.drift.rows == 300
    for recall in found.drift.recalls:
        assert recall.estimated == pytest.approx(recall.new.value, abs=0.05)


def test_new_rows_of_another_kind():
    moved = clusters(500, seed=1)[0] * np.float16(1.3) + np.float16(0.5)
    drift = examine(clusters()[0], n_queries=300, against=moved).drift
    assert drift.moved
    assert drift.new_error > drift.old_error


def test_it_is_plain_data(found):
    assert json.loads(json.dumps(found.as_dict()))["rows"] == 2600


def test_commands_are_filled_in(found):
    code = found.advice
    model = f"vectors-{code.method}-{code.bits}"
    assert code.commands == [
        f"hammingbird fit {code.method} --train vectors.npy --bits {code.bits} --out {model}",
        f"hammingbird encode {model} vectors.npy --out {model}.npy",
    ]


def test_a_code_that_is_no_default_is_learnt_again_by_its_command(monkeypatch, tmp_path):
    centered = Candidate("lsh", 0, 9, settings=(("center", True),))
    monkeypatch.setattr(trials, "METHODS", (centered,))
    X = clusters()[0]
    np.save(tmp_path / "vectors.npy", X)
    found = examine(X, n_queries=300, name=str(tmp_path / "vectors.npy"))
    fit = shlex.split(found.advice.commands[0])
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, fit[1:]).exit_code == 0
    assert load(fit[-1]).center is True


def test_labels_count_instead_of_neighbours():
    X, y = clusters()
    found = examine(X, labels=y, n_queries=300)
    assert found.what == "of the float vectors' MAP@100"
    assert 0.5 < found.ceiling < 1
    assert found.codes[-1].kept["re-rank of 500"].value == pytest.approx(1, abs=0.02)
    none = examine(X, labels=np.random.default_rng(0).permutation(y), n_queries=300)
    assert none.ceiling < 0.3


def test_a_sample_of_a_large_file(monkeypatch):
    monkeypatch.setattr("hammingbird.doctor.examination.MOST_ROWS", 1000)
    found = examine(clusters()[0], n_queries=200)
    assert (found.rows, found.searched) == (2600, 1000)
    assert "1,000 of its 2,600 rows were searched" in found.notes[0]
    assert found.growth[0].later_sizes == [2600, 26_000, 260_000]


@pytest.mark.parametrize(
    ("X", "more", "message"),
    [
        (np.ones((1, 3)), {}, "X has 1 row"),
        (np.ones((900, 3)), {"n_queries": 10}, "all 900 rows of X are equal"),
        (np.eye(20), {}, "X has 20 rows: 1,000 queries leave none to search in; ask for fewer"),
        (np.eye(50), {"n_queries": 10}, "10 queries leave 40 of 50 rows to search in: at least"),
        (np.full((90, 3), np.nan), {}, "90 of 90 rows hold NaN"),
        (np.ones(9), {}, "must be vectors of numbers"),
        (np.eye(300), {"against": np.eye(3), "against_name": "new.npy"}, "new.npy has vectors of"),
        (np.eye(300), {"labels": np.ones(3)}, "labels of shape"),
    ],
)
def test_what_cannot_be_examined(X, more, message):
    with pytest.raises(InputError, match=message):
        examine(X, **more)


def test_long_codes_that_can_answer_nothing_are_not_measured_in_all_rows(monkeypatch):
    monkeypatch.setattr(trials, "SCREEN_ROWS", 500)
    everything = examine(clusters()[0], n_queries=200)
    assert [code.bits for code in everything.codes] == [16, 24, 32]  # Hamming alone is open
    monkeypatch.setattr("hammingbird.doctor.examination.TARGETS", (0.05,))
    found = examine(clusters()[0], n_queries=200)
    assert [code.bits for code in found.codes] == [16]
    assert {code.bits for code in found.losers} == {16, 24, 32}
    assert {code.searched for code in found.losers} == {600}
    assert found.codes[0] == everything.codes[0]
