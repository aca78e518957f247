"""Searched together is searched alone; who left is not searched for; a queue has an end."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from hammingbird.service.batches import Batches, Busy
from hammingbird.service.engine import Engine, Question
from hammingbird.service.items import Items, Written


def test_what_comes_meanwhile_goes_together():
    seen, gate = [], threading.Event()

    def answer(questions):
        seen.append(list(questions))
        gate.wait(10)
        return [ValueError("odd") if q % 2 else q * 10 for q in questions]

    async def ask():
        batches = Batches(answer, most=4, waiting=8)
        first = asyncio.create_task(batches.ask(0))
        while not seen:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batches.ask(i)) for i in range(1, 8)]
        await asyncio.sleep(0.01)
        others[1].cancel()  # 2
        last = asyncio.create_task(batches.ask(8))
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await batches.ask(9)
        gate.set()
        found = await asyncio.gather(first, *others, last, return_exceptions=True)
        batches.close()
        return found

    found = asyncio.run(ask())
    assert seen == [[0], [1, 3, 4, 5], [6, 7, 8]]
    assert [found[i] for i in (0, 4, 6, 8)] == [0, 40, 60, 80]
    assert all(isinstance(found[i], ValueError) for i in (1, 3, 5, 7))


def test_a_batch_that_fails_tells_everyone_and_the_next_goes_on():
    def answer(questions):
        if questions[0] == 0:
            raise RuntimeError("broken")
        return list(questions)

    async def ask():
        batches = Batches(answer, most=4, waiting=8)
        with pytest.raises(RuntimeError, match="broken"):
            await batches.ask(0)
        found = await batches.ask(1)
        batches.close()
        return found

    assert asyncio.run(ask()) == 1


def test_questions_of_all_kinds_are_answered_as_alone(tmp_path):
    rng = np.random.default_rng(0)
    engine = Engine(Items(tmp_path / "a.sqlite", 24))
    codes = rng.integers(0, 256, (300, 3), dtype=np.uint8)
    vectors = rng.normal(size=(300, 5)).astype(np.float32)
    ids = 3 * np.arange(300)
    engine.items.write(Written(ids, codes, list(vectors), ['{"name": "x"}'] * 300))
    engine.index = engine.items.index()

    def question(kind):
        queries = rng.integers(0, 256, (rng.integers(1, 4), 3), dtype=np.uint8)
        scores = rng.normal(size=(len(queries), 24)).astype(np.float32)
        near = rng.normal(size=(len(queries), 5)).astype(np.float32)
        more = [
            {},
            {"scores": scores},
            {"radius": 7, "histogram": True},
            {"vectors": near, "candidates": 20},
            {"scores": scores, "vectors": near, "candidates": 300, "measure": "cosine"},
        ][kind]
        return Question(queries, int(rng.integers(1, 12)), **more)

    questions = [question(i % 5) for i in range(40)]
    for one, together in zip(questions, engine.search(questions), strict=True):
        (alone,) = engine.search([one])
        assert np.array_equal(alone.ids, together.ids)
        assert np.array_equal(alone.distances, together.distances)
        if alone.order is not None:
            assert np.allclose(alone.order, together.order)
        # And by hand.
        distances = np.bitwise_count(one.codes[:, None] ^ codes[None]).sum(axis=2)
        for row in range(len(one.codes)):
            if one.vectors is None and one.scores is None:
                best = np.lexsort((ids, distances[row]))[: one.k]
                expected = [i for i in best if one.radius is None or distances[row, i] <= 7]
                assert alone.ids[row][alone.ids[row] >= 0].tolist() == ids[expected].tolist()
            for i, distance in zip(alone.ids[row], alone.distances[row], strict=True):
                assert i < 0 or distance == distances[row, i // 3]
        if one.candidates == 300:
            cosine = one.vectors @ vectors.T
            cosine /= np.linalg.norm(vectors, axis=1)
            assert np.array_equal(alone.ids[:, 0], ids[cosine.argmax(axis=1)])
        if one.radius is not None:
            assert np.array_equal(alone.within, (distances <= 7).sum(axis=1))
            assert (alone.histograms.sum(axis=1) == 300).all()
    engine.close()
