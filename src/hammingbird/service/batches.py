"""Questions that arrive together are answered together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Busy(Exception):  # noqa: N818 - a state, which ends by itself
    """Too many questions wait already."""


class Batches(Generic[Question, Answer]):
    """Answers in threads of their own what was asked while they were at work.

    ``answer`` is given up to ``most`` questions and returns for each an answer or an exception. No
    question waits for others to come: where nobody else asks, a batch is one question. Up to
    ``waiting`` questions wait; more are :class:`Busy`. One event loop may ask.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Question]], Sequence[Answer | Exception]],
        most: int,
        waiting: int,
        threads: int = 1,
    ) -> None:
        self._answer, self._most, self._room = answer, most, waiting
        self._threads = ThreadPoolExecutor(threads, "batches")
        self._idle = threads
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> Answer:
        """The answer to one question; whoever stops waiting is not searched for."""
        if len(self._waiting) >= self._room:
            raise Busy
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._idle:
            self._idle -= 1
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    async def _work(self) -> None:
        """Answer until nothing waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch: list[tuple[Question, asyncio.Future[Answer]]] = []
                while self._waiting and len(batch) < self._most:
                    question, future = self._waiting.popleft()
                    if not future.done():
                        batch.append((question, future))
                if batch:
                    questions = [question for question, _ in batch]
                    try:
                        answers = await loop.run_in_executor(self._threads, self._answer, questions)
                    except Exception as error:  # goes to everyone who asked
                        answers = [error] * len(batch)
                    for (_, future), answer in zip(batch, answers, strict=True):
                        if future.done():
                            continue
                        if isinstance(answer, Exception):
                            future.set_exception(answer)
                        else:
                            future.set_result(answer)
        finally:
            self._idle += 1
