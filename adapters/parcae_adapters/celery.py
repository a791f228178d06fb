"""A bridge from Celery: its signals, reported. Celery runs everything as it did before.

Where each signal is sent decides what is known there:

- *before_task_publish*: in whoever calls ``delay``; in the worker where a task is retried.
- *task_prerun*, *task_success*, *task_retry*, *task_failure*, *task_internal_error* and
  *task_postrun*: where the task runs: with the default pool in a child of the worker.
- *task_failure* once more in the worker's main process, for what the child could not live to say:
  ``WorkerLostError`` and ``TimeLimitExceeded``; and for a task that is rejected for good.
- *task_retry* in the main process, where Celery retries a task whose child was lost.
- *task_revoked*, *task_unknown*, *heartbeat_sent*: in the main process.

A handler of a signal that raises is logged by Celery and changes nothing else: if the store cannot
be reached, tasks run all the same. Stores are opened for one report, or for one task where it
runs: none is open when the worker forks.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve as replace
from celery import Celery, signals  # type: ignore[import-untyped]
from celery.exceptions import MaxRetriesExceededError  # type: ignore[import-untyped]

from parcae.errors import LeaseLost, ParcaeError, Reason, Rejected
from parcae.handlers import error_of
from parcae.host_engine import External
from parcae.ports import Store
from parcae.values import MAX_DURATION, Error, Instant, seconds
from parcae_adapters.blocking import BlockingEngine
from parcae_adapters.bridge import Bridge, Run, this_process

log = logging.getLogger("parcae.celery")

EARLY = seconds(1)
"""A worker whose clock is ahead may start a task so much before its time."""

BEYOND = seconds(60)
"""How long after Celery's own hard time limit an attempt of ours times out, if nobody reports."""

LATER = frozenset({Reason.HELD, Reason.NOT_DUE, Reason.PAUSED, Reason.FULL})
"""Why a start that has happened may be recorded a little later."""

CELERY = External(queue="celery")
RECONCILE = seconds(10)


class CeleryBridge:
    """Keeps the truth about an application's tasks in a store.

    Args:
        app: the application; only its tasks are reported.
        store: opens the store. It is called in every process that reports.
        jobs: what the jobs have in common.
        kind: the kind of a task, by its name; ``None``: that task is not reported.
        reconcile_every: how often a worker settles what has fallen due; ``None``: never.
    """

    def __init__(
        self,
        app: Celery,
        store: Callable[[], Store],
        *,
        jobs: External = CELERY,
        kind: Callable[[str], str | None] = lambda name: name,
        reconcile_every: timedelta | None = RECONCILE,
    ) -> None:
        self._app = app
        self._open = store
        self._jobs = jobs
        self._kind = kind
        self._every = reconcile_every
        self._reconciled_at = 0.0
        self._node = ""
        self._watched: dict[str, Watched] = {}
        self._handlers = {
            signals.worker_init: self._worker_init,
            signals.before_task_publish: self._published,
            signals.task_prerun: self._begins,
            signals.task_success: self._succeeded,
            signals.task_retry: self._retried,
            signals.task_failure: self._failed,
            signals.task_internal_error: self._failed,
            signals.task_postrun: self._over,
            signals.task_revoked: self._revoked,
            signals.task_unknown: self._unknown,
            signals.heartbeat_sent: self._heartbeat,
        }

    def connect(self) -> CeleryBridge:
        """Begin to listen. Call it where the application is made, in every process."""
        for signal, handler in self._handlers.items():
            signal.connect(handler, weak=False)
        return self

    def disconnect(self) -> None:
        """Listen no more."""
        for signal, handler in self._handlers.items():
            signal.disconnect(handler)

    @contextmanager
    def _bridge(self) -> Iterator[Bridge]:
        with BlockingEngine(self._open()) as engine:
            yield Bridge(engine, worker=self._node or None, jobs=self._jobs)

    def _of(self, task: Any) -> str | None:
        """The kind of a task of this application; ``None``: it is not reported."""
        if getattr(task, "app", self._app).main != self._app.main:
            return None
        return self._kind(task if isinstance(task, str) else task.name)

    def _ours(self, holder: str) -> bool:
        """Whether a lease is held by a process of this worker."""
        return bool(self._node) and holder.rpartition("#")[0] == self._node

    def _worker_init(self, sender: Any, **_: object) -> None:
        self._node = sender.hostname

    def _published(self, sender: str, headers: Mapping[str, Any], **_: object) -> None:
        kind = self._of(sender)
        # A retry is published under the same id: it is another start of the job that is there.
        if kind is None or "id" not in headers or headers.get("retries"):
            return
        with self._bridge() as bridge:
            due, limit = _due(headers.get("eta")), headers.get("timelimit") or (None, None)
            bridge.submitted(headers["id"], kind, run_at=due, attempt=_attempt(limit[0]))

    def _begins(self, task_id: str, task: Any, **_: object) -> None:
        kind = self._of(task)
        if kind is None or task.request.is_eager or not task_id:
            return
        node = self._node or task.request.hostname or this_process().rpartition("#")[0]
        limit = (task.request.timelimit or (None, None))[0] or task.time_limit
        limit = limit or self._app.conf.task_time_limit
        engine = BlockingEngine(self._open())
        bridge = Bridge(engine, worker=f"{node}#{os.getpid()}", jobs=self._jobs)
        watched = Watched(engine, bridge, task_id, kind, _attempt(limit))
        self._watched[task_id] = watched
        watched.begin()

    def _succeeded(self, sender: Any, **_: object) -> None:
        self._report(sender.request.id, lambda run: run.succeeded())

    def _retried(self, sender: Any, request: Any, reason: Any = None, **_: object) -> None:
        cause = getattr(reason, "exc", None) or reason or RuntimeError("Celery retries it")
        error, again = error_of(cause), _again(getattr(reason, "when", None))
        if self._report(request.id, lambda run: run.failed(error, retry_at=again)):
            return
        if self._of(sender) is None:
            return
        with self._bridge() as bridge:
            run = bridge.held(request.id, self._ours)
            if run is not None:
                run.failed(error, retry_at=again)

    def _failed(self, sender: Any, task_id: str, exception: BaseException, **_: object) -> None:
        final, error = _used_up(sender, exception), error_of(exception)
        if not final:
            # Celery does not try it again, so that neither is it tried again here.
            error = replace(error, permanent=True)
        if self._report(task_id, lambda run: run.failed(error, final=final)):
            return
        if self._of(sender) is None:
            return
        # The child cannot say it any more: its lease tells whose start it was.
        with self._bridge() as bridge, suppress(LeaseLost):
            bridge.queue_failed(task_id, error_of(exception), holder=self._ours)

    def _over(self, task_id: str, state: str | None = None, **_: object) -> None:
        """Whatever was not reported until now: the task told Celery to ignore or reject it."""
        if state is None:
            # This process is being killed. Whoever did that says why, or else the lease runs out.
            self._report(task_id, lambda _: None)
        elif state == "REJECTED":
            self._report(task_id, lambda run: run.released())
        elif task_id in self._watched:
            name = f"celery.{str(state).lower()}"
            message = f"Celery runs it no more, and calls its state {state}"
            error = Error(type=name, message=message)
            self._report(task_id, lambda run: run.failed(error, final=True))

    def _revoked(
        self, sender: Any, request: Any, terminated: bool, expired: bool, **_: object
    ) -> None:
        if self._of(sender) is None:
            return
        with self._bridge() as bridge:
            if expired:
                error = Error(type="celery.expired", message="it expired before it was started")
                bridge.queue_failed(request.id, error, holder=self._ours)
            else:
                bridge.cancelled(request.id, "revoked in Celery", force=bool(terminated))

    def _unknown(self, name: str, id: str, exc: BaseException, **_: object) -> None:
        if self._kind(name) is None:
            return
        with self._bridge() as bridge:
            bridge.queue_failed(id, error_of(exc), holder=self._ours)

    def _heartbeat(self, **_: object) -> None:
        if self._every is None or time.monotonic() < self._reconciled_at:
            return
        self._reconciled_at = time.monotonic() + self._every.total_seconds()
        with BlockingEngine(self._open()) as engine:
            engine.run(engine.engine.reconcile())

    def _report(self, task_id: str, say: Callable[[Run], object]) -> bool:
        """Report the end of a task that runs here; ``False``: it does not."""
        watched = self._watched.pop(task_id, None)
        if watched is not None:
            watched.end(say)
        return watched is not None


class Watched:
    """A task that runs here: its start is recorded, and its lease renewed, until it ends.

    Celery has started it already. Where that cannot be recorded at once (a start that was lost
    still has its lease; its queue is paused), it is tried again until it can, or the task ends.
    """

    def __init__(
        self,
        engine: BlockingEngine,
        bridge: Bridge,
        task_id: str,
        kind: str,
        attempt: timedelta | None,
    ) -> None:
        self._engine = engine
        self._bridge = bridge
        self._id = task_id
        self._kind = kind
        self._attempt = attempt
        self._run: Run | None = None
        self._refused: ParcaeError | None = None
        self._interval = 1.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="parcae-celery")

    def begin(self) -> None:
        """Record its start, and keep the lease in a thread."""
        try:
            self._try()
        except ParcaeError as error:
            log.warning("the start of task %s is not recorded: %s", self._id, error)
        self._thread.start()

    def end(self, say: Callable[[Run], object]) -> None:
        """Report its end; if its start never could be recorded, leave a note of that."""
        self._over.set()
        self._thread.join()
        try:
            if self._run is None:
                self._try()
            if self._run is not None:
                say(self._run)
            else:
                self._note()
        except LeaseLost as lost:
            log.warning("the end of task %s came too late: %s", self._id, lost)
        finally:
            self._engine.close()

    def _try(self) -> None:
        try:
            try:
                self._run = self._bridge.started(self._id)
            except Rejected as refusal:
                if refusal.reason is not Reason.NOT_FOUND:
                    raise
                # Whoever published it does not report, or could not.
                self._bridge.submitted(self._id, self._kind, attempt=self._attempt)
                self._run = self._bridge.started(self._id)
            self._interval = self._run.interval.total_seconds()
        except Rejected as refusal:
            self._refused = refusal
            if refusal.reason not in LATER:
                log.warning("the start of task %s is not recorded: %s", self._id, refusal)

    def _watch(self) -> None:
        while not self._over.wait(self._interval):
            try:
                if self._run is not None:
                    self._run.heartbeat()
                elif isinstance(self._refused, Rejected) and self._refused.reason not in LATER:
                    return
                else:
                    # A start that was lost gives the job free once somebody has looked.
                    self._engine.run(self._engine.engine.reconcile())
                    self._try()
            except LeaseLost as lost:
                log.warning("task %s runs on, but its record has ended: %s", self._id, lost)
                return
            except ParcaeError as error:
                log.warning("task %s: %s", self._id, error)

    def _note(self) -> None:
        job_id = self._bridge.job(self._id).id
        said = f"Celery ran task {self._id} to an end without a lease: {self._refused}"
        self._engine.run(self._engine.engine.annotate(job_id, said, by="celery"))


def _due(eta: str | None) -> Instant | None:
    if not eta:
        return None
    at = datetime.fromisoformat(eta)
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - EARLY


def _again(when: object) -> Instant:
    """When Celery tries again: it says an instant, or seconds from now."""
    now = datetime.now(UTC)
    if isinstance(when, datetime):
        at = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        return max(at - EARLY, now)
    wait = float(when) if isinstance(when, int | float) else 0.0
    return max(now + seconds(wait) - EARLY, now)


def _attempt(limit: float | None) -> timedelta | None:
    """Our hard timeout of a task, beyond the one that Celery itself enforces."""
    return None if not limit else min(seconds(float(limit)) + BEYOND, MAX_DURATION)


def _used_up(task: Any, exception: BaseException) -> bool:
    """Whether Celery would have tried it again, and has no retry left."""
    request, most = getattr(task, "request", None), getattr(task, "override_max_retries", None)
    # What a task gives to retry() outdoes what is set for all of its kind.
    most = getattr(task, "max_retries", None) if most is None else most
    retries = getattr(request, "retries", 0) or 0
    exhausted = most is not None and 0 < most <= retries
    return exhausted or isinstance(exception, MaxRetriesExceededError)
