"""All parts on Dask: worker processes of this machine, or a cluster by the scheduler's address."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from hammingbird.errors import ClusterError, HammingbirdError, InputError, MissingExtraError
from hammingbird.scale.engine import Job, Result
from hammingbird.scale.parts import Part

if TYPE_CHECKING:
    from typing_extensions import Self

CONNECT_SECONDS = 60.0
LOOK_SECONDS = 5.0
WORKERLESS_SECONDS = 300.0
"""How long a cluster may have no worker at all before the run is given up."""
AHEAD = 4
"""Parts that are handed out for every thread of the cluster."""


class DaskCluster:
    """``workers`` processes here, or the cluster of a ``scheduler`` such as ``tcp://host:8786``.

    A part whose worker dies is done again by another. One at which several died in turn (Dask's
    ``allowed-failures``), and whatever else goes wrong with the cluster, is a
    :class:`ClusterError`. Used as a context.
    """

    def __init__(self, *, workers: int | None = None, scheduler: str | None = None) -> None:
        if (workers is None) == (scheduler is None):
            raise InputError("a Dask cluster has either workers here or a scheduler elsewhere")
        if workers is not None and workers < 1:
            raise InputError(f"workers must be at least 1, got {workers}")
        self._workers, self._scheduler = workers, scheduler

    def __enter__(self) -> Self:
        try:
            import distributed
        except ImportError:
            raise MissingExtraError("dask.distributed", "dask") from None

        class Client(distributed.Client):  # type: ignore[misc]
            def start(self, **kwargs: Any) -> None:
                try:
                    super().start(**kwargs)
                except BaseException:
                    # Open still, it would be closed when it is collected, and wait for ever if
                    # that happens in a thread that Dask is just starting.
                    self.close()
                    raise

        with ExitStack() as opened:
            try:
                place: Any = self._scheduler
                if place is None:
                    place = opened.enter_context(
                        distributed.LocalCluster(
                            n_workers=self._workers,
                            threads_per_worker=1,
                            dashboard_address="127.0.0.1:0",
                            silence_logs=logging.CRITICAL,
                        )
                    )
                self._client = opened.enter_context(
                    Client(place, timeout=CONNECT_SECONDS, set_as_default=False)
                )
                self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            except (OSError, ValueError, TimeoutError, distributed.TimeoutError) as error:
                where = self._scheduler or f"{self._workers} workers on this machine"
                raise ClusterError(
                    f"no cluster with workers at {where}: {str(error) or 'nobody answers'}"
                ) from None
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def map(
        self, function: Callable[[Job, Part], Result], job: Job, parts: Iterable[Part]
    ) -> Iterator[Result]:
        """Yield the results in the order of the parts."""
        # As a task of its own the job is sent once, and made again if the workers that had it die.
        given = self._client.submit(_same, job, pure=False)
        most = AHEAD * max(1, sum(self._client.nthreads().values()))
        waiting: deque[tuple[Any, Part]] = deque()
        try:
            for part in parts:
                waiting.append((self._client.submit(function, given, part, pure=False), part))
                if len(waiting) > most:
                    yield self._result(*waiting.popleft())
            while waiting:
                yield self._result(*waiting.popleft())
        finally:
            for future, _ in waiting:
                future.cancel()

    def _result(self, future: Any, part: Part) -> Any:
        from distributed import KilledWorker
        from distributed import TimeoutError as WaitedError

        alone = None
        while True:
            try:
                return future.result(timeout=LOOK_SECONDS)
            except HammingbirdError:  # noqa: PERF203 - of a task, which is waited for
                raise
            except KilledWorker:
                raise ClusterError(
                    f"{part.path} ended every worker that read it: give workers more memory, or "
                    "cut the file into smaller ones"
                ) from None
            except (TimeoutError, WaitedError):
                alone = None if self._client.nthreads() else alone or time.monotonic()
                if alone and time.monotonic() - alone > WORKERLESS_SECONDS:
                    raise ClusterError(
                        "the cluster has no worker left: start some, and run the same command again"
                    ) from None
            except Exception as error:
                raise ClusterError(
                    f"{part.path} was not encoded: {type(error).__name__}: {error}. Is Hammingbird "
                    "installed on all workers? Run the same command again when the cluster is well"
                ) from None


def _same(job: Job) -> Job:
    return job
