"""The engine for code without asyncio: Flask, Django, a script."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from parcae.answers import Accepted, CancelAnswer, Deletion
from parcae.definitions import Request
from parcae.engine import Engine, Handle, Outcome
from parcae.events import Event
from parcae.graphs import Graph
from parcae.group_engine import GroupHandle, GroupOutcome
from parcae.groups import Group
from parcae.measures import Statistics
from parcae.ports import Page, Query, Recorded, Store
from parcae.queues import Queue
from parcae.spec import RetryMode
from parcae.state import Job
from parcae.survey import Standing
from parcae.values import JobId
from parcae.why import Explanation

R = TypeVar("R")
T = TypeVar("T")


class BlockingHandle(Generic[R]):
    """One submitted job; see :class:`parcae.Handle`."""

    def __init__(self, engine: BlockingEngine, handle: Handle[R]) -> None:
        self._engine = engine
        self._handle = handle
        self.admitted = handle.admitted
        self.job_id = handle.job_id

    def wait(self, timeout: timedelta | None = None) -> Outcome[R]:
        """Wait for its end.

        Raises:
            TimeoutError: it has not ended within ``timeout``.
        """
        return self._engine.run(self._handle.wait(timeout))

    def cancel(self, *, by: str = "", reason: str = "") -> CancelAnswer:
        """Ask it to stop."""
        return self._engine.run(self._handle.cancel(by=by, reason=reason))


class BlockingGroup:
    """One submitted graph or batch; see :class:`parcae.GroupHandle`."""

    def __init__(self, engine: BlockingEngine, handle: GroupHandle) -> None:
        self._engine = engine
        self._handle = handle
        self.group_id = handle.group_id
        self.jobs = handle.jobs
        self.names = handle.names

    def wait(self, timeout: timedelta | None = None) -> GroupOutcome:
        """Wait for its end.

        Raises:
            TimeoutError: it has not ended within ``timeout``.
        """
        return self._engine.run(self._handle.wait(timeout))

    def cancel(self, *, by: str = "", reason: str = "") -> Group:
        """Ask all its members to stop."""
        return self._engine.run(self._handle.cancel(by=by, reason=reason))

    def progress(self) -> Group:
        """How far it is."""
        return self._engine.run(self._handle.progress())


class BlockingEngine:
    """The engine's use cases as plain calls, from any thread.

    An event loop in a daemon thread does the work. Open it after a fork, not before.

    Args:
        store: where the jobs are; closed with this.
    """

    def __init__(self, store: Store) -> None:
        self.engine = Engine(store)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, daemon=True, name="parcae-blocking"
        )
        self._thread.start()

    def __enter__(self) -> Self:
        """The engine itself; it is closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run any of the engine's coroutines to its end."""
        if self._loop.is_closed():
            coroutine.close()
            raise RuntimeError("this engine is closed")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def submit(self, request: Request[R], **options: Any) -> BlockingHandle[R]:
        """Admit a job; options and errors as in :meth:`parcae.Engine.submit`."""
        return BlockingHandle(self, self.run(self.engine.submit(request, **options)))

    def retry(
        self, origin: JobId, mode: RetryMode = RetryMode.RESUME, **options: Any
    ) -> BlockingHandle[Any]:
        """Take up an ended job; see :meth:`parcae.Engine.retry`."""
        return BlockingHandle(self, self.run(self.engine.retry(origin, mode, **options)))

    def submit_graph(self, graph: Graph, **options: Any) -> BlockingGroup:
        """Admit a graph; options and errors as in :meth:`parcae.Engine.submit_graph`."""
        return BlockingGroup(self, self.run(self.engine.submit_graph(graph, **options)))

    def submit_many(self, requests: Sequence[Request[Any]], **options: Any) -> BlockingGroup:
        """Admit a batch; options and errors as in :meth:`parcae.Engine.submit_many`."""
        return BlockingGroup(self, self.run(self.engine.submit_many(requests, **options)))

    def wait(self, job_id: JobId, timeout: timedelta | None = None) -> Outcome[Any]:
        """Wait for the end of a job."""
        return self.run(self.engine.wait(job_id, timeout))

    def cancel(
        self, job_id: JobId, *, by: str = "", reason: str = "", force: bool = False
    ) -> CancelAnswer:
        """Ask a job to stop; see :meth:`parcae.Engine.cancel`."""
        return self.run(self.engine.cancel(job_id, by=by, reason=reason, force=force))

    def show(self, job_id: JobId) -> Job:
        """A job as it is now."""
        return self.run(self.engine.show(job_id))

    def why(self, job_id: JobId, *, diagnostics: bool = False) -> Explanation:
        """Why a job is where it is; see :meth:`parcae.Engine.why`."""
        return self.run(self.engine.why(job_id, diagnostics=diagnostics))

    def place(self, job_id: JobId) -> Standing:
        """Where a job stands in line; see :meth:`parcae.Engine.place`."""
        return self.run(self.engine.place(job_id))

    def stats(self, queue: str | None = None, **options: Any) -> Statistics:
        """What is in the queues; options and errors as in :meth:`parcae.Engine.stats`."""
        return self.run(self.engine.stats(queue, **options))

    def annotate(self, job_id: JobId, note: str, **options: Any) -> Accepted:
        """Add a note to a job's history; see :meth:`parcae.Engine.annotate`."""
        return self.run(self.engine.annotate(job_id, note, **options))

    def delete(self, job_id: JobId, **options: Any) -> Deletion:
        """Delete an ended job; see :meth:`parcae.Engine.delete`."""
        return self.run(self.engine.delete(job_id, **options))

    def pause(self, queue: str, *, by: str = "") -> Queue:
        """Start nothing forward from a queue; see :meth:`parcae.Engine.pause`."""
        return self.run(self.engine.pause(queue, by=by))

    def resume_queue(self, queue: str, *, by: str = "") -> Queue:
        """Start jobs of a queue again; see :meth:`parcae.Engine.resume_queue`."""
        return self.run(self.engine.resume_queue(queue, by=by))

    def find(self, query: Query) -> Page:
        """A page of jobs, newest first."""
        return self.run(self.engine.find(query))

    def history(self, job_id: JobId) -> Sequence[Recorded[Event]]:
        """Everything that happened to a job."""
        return self.run(self.engine.history(job_id))

    def close(self) -> None:
        """Close the store and end the thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        self.run(self.engine.store.close())
        # No thread of ours is left, so that whoever forks next copies none in the middle of a lock.
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
