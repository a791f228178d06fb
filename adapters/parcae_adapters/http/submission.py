"""What a submission says, and the job that it asks for."""

# ruff: noqa: RUF009 - what is called there makes a field

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from parcae.context import PAYLOAD
from parcae.definitions import Jobs, Request, Saga
from parcae.payloads import dump, structure
from parcae.spec import (
    UNDO_RETRY,
    Dependency,
    DependencyPolicy,
    Lost,
    OnLost,
    PhaseSpec,
    Retry,
    Spec,
    Timing,
    UndoSpec,
    Unique,
    Until,
)
from parcae.values import MAX_BLOB, JobId, Lane, blob
from parcae_adapters.http.fields import described, many, name, number, span
from parcae_adapters.http.problems import BAD_INPUT, TOO_LARGE, Fault, Problem

MOST_AFTER = 1_000
"""Dependencies that one request can name."""

LEAST_SPAN = 0.000_001
"""Seconds: what a clock can tell apart."""


@frozen(kw_only=True)
class RetryPolicy:
    """When a failed attempt is made again."""

    max_attempts: int = number(3, least=1, most=10_000)
    backoff: timedelta = span(timedelta(seconds=1))
    factor: int = number(2, least=1, most=100)
    cap: timedelta = span(timedelta(minutes=10))
    jitter: int = number(25, least=0, most=100)
    give_up_on: tuple[str, ...] = many(most=100)
    max_releases: int = number(10, least=0, most=10_000)

    def value(self) -> Retry:
        """What the kernel takes."""
        return Retry(
            max_attempts=self.max_attempts,
            backoff=self.backoff,
            factor=self.factor,
            cap=self.cap,
            jitter=self.jitter,
            give_up_on=self.give_up_on,
            max_releases=self.max_releases,
        )


@frozen(kw_only=True)
class LossPolicy:
    """What follows a lost lease."""

    action: Lost = Lost.RETRY
    times: int = number(2, least=0, most=10_000)


@frozen(kw_only=True)
class TimingPolicy:
    """The durations of a job, in seconds."""

    lease: timedelta = span(timedelta(seconds=30), least=LEAST_SPAN)
    renewal: timedelta = span(timedelta(seconds=10), least=LEAST_SPAN)
    attempt: timedelta = span(timedelta(minutes=15), least=LEAST_SPAN)
    cancel_grace: timedelta = span(timedelta(seconds=30), least=LEAST_SPAN)
    undo: timedelta = span(timedelta(minutes=15), least=LEAST_SPAN)
    stale_after: timedelta | None = span(None, least=LEAST_SPAN)
    deadline: timedelta | None = span(None, least=LEAST_SPAN)

    def value(self) -> Timing:
        """What the kernel takes."""
        return Timing(
            lease=self.lease,
            renewal=self.renewal,
            attempt=self.attempt,
            cancel_grace=self.cancel_grace,
            undo=self.undo,
            stale_after=self.stale_after,
            deadline=self.deadline,
        )


@frozen(kw_only=True)
class UndoPolicy:
    """How a phase is undone."""

    unknown: bool = False
    retry: RetryPolicy | None = None


@frozen(kw_only=True)
class PhasePlan:
    """One step of a job."""

    name: str = name()
    undo: UndoPolicy | None = None

    def value(self) -> PhaseSpec:
        """What the kernel takes."""
        if self.undo is None:
            return PhaseSpec(name=self.name)
        retry = UNDO_RETRY if self.undo.retry is None else self.undo.retry.value()
        return PhaseSpec(name=self.name, undo=UndoSpec(unknown=self.undo.unknown, retry=retry))


@frozen(kw_only=True)
class WaitFor:
    """A job or group that must end first."""

    id: str = name()
    policy: DependencyPolicy = DependencyPolicy.CANCEL
    name: str | None = name(None)


@frozen(kw_only=True)
class UniqueConstraint:
    """A constraint: one job stands for all others of this name."""

    name: str | None = name(None)
    until: Until = Until.ENDED
    period: timedelta | None = span(None, least=LEAST_SPAN)
    replace: bool = False
    delay: timedelta | None = span(None, least=LEAST_SPAN)
    at_most: timedelta | None = span(None, least=LEAST_SPAN)

    def value(self) -> Unique:
        """What the kernel takes."""
        return Unique(
            name=self.name or "",
            until=self.until,
            period=self.period,
            replace=self.replace,
            delay=self.delay,
            at_most=self.at_most,
        )


@frozen(kw_only=True)
class SubmitJob:
    """A job to be. All from ``definition`` on is for kinds that the server does not define."""

    kind: str = name(description="The name of the definition that runs it.")
    arguments: dict[str, Any] = described(
        factory=dict, description="The handler's arguments by name; they become the payload."
    )
    key: str | None = name(None, description="The lane within the queue: a tenant, a host.")
    priority: int | None = number(None, least=-1_000_000, most=1_000_000)
    run_at: datetime | None = described(None, description="Not before.")
    deadline: datetime | None = described(None, description="No forward work from then on.")
    after: tuple[WaitFor, ...] = many(most=MOST_AFTER)
    unique: UniqueConstraint | None = None
    key_ttl: timedelta | None = span(
        None, least=1, description="Seconds for which Idempotency-Key is remembered."
    )
    definition: str | None = name(None)
    phases: tuple[PhasePlan, ...] | None = many(None, least=1, most=1_000)
    queue: str | None = name(None)
    retry: RetryPolicy | None = None
    on_lost: LossPolicy | None = None
    timing: TimingPolicy | None = None


RUN = (PhaseSpec(name="run"),)
RETRY, LOST, TIMING, LANE = Retry(), OnLost(), Timing(), Lane()
"""What holds where a submission says nothing: made and checked once."""

OURS = ("definition", "phases", "queue", "retry", "on_lost", "timing")
"""What a definition says, so that a submission must not where the server has one."""


@contextmanager
def meant() -> Iterator[None]:
    """What the kernel refuses of values made from a body is a 422, and says what was expected.

    Raises:
        Problem: the kernel has refused one.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        raise Problem(BAD_INPUT, str(error)[:500]) from None


def asked(body: SubmitJob, jobs: Jobs | None, where: str = "$") -> Request[Any]:
    """The job that a submission asks for.

    Raises:
        Problem: the server defines such jobs otherwise, or they could not run.
    """
    with meant():
        request = _free(body) if jobs is None else _defined(body, jobs, where)
        if len(request.payload) > MAX_BLOB:
            says = f"expected a payload of at most {MAX_BLOB} bytes, got {len(request.payload)}"
            raise Problem(TOO_LARGE, says)
        return request


def _free(body: SubmitJob) -> Request[Any]:
    """A job of a kind that somebody else defines."""
    payload = dump(body.arguments)
    lost = body.on_lost
    spec = Spec(
        kind=body.kind,
        definition=body.definition or "1",
        phases=RUN if body.phases is None else tuple(one.value() for one in body.phases),
        payload=blob(PAYLOAD, payload),
        lane=LANE if body.queue is None else Lane(queue=body.queue),
        retry=RETRY if body.retry is None else body.retry.value(),
        on_lost=LOST if lost is None else OnLost(action=lost.action, times=lost.times),
        timing=TIMING if body.timing is None else body.timing.value(),
    )
    return Request(spec=spec, payload=payload)


def _defined(body: SubmitJob, jobs: Jobs, where: str) -> Request[Any]:
    """A job of a kind that the server defines, its arguments checked against the handler's."""
    for field in OURS:
        if getattr(body, field) is not None:
            raise _fault(f"{where}.{field}", "nothing: the server's definition says that")
    if body.kind not in jobs.kinds:
        known = ", ".join(sorted(jobs.kinds)) or "none at all"
        raise _fault(f"{where}.kind", f"a kind that is defined here; there is {known}")
    saga = jobs[body.kind]
    try:
        return saga(**dict(_arguments(saga, body.arguments)))
    except (TypeError, ValueError) as error:
        raise _fault(f"{where}.arguments", f"what fits the handler: {str(error)[:400]}") from None


def _fault(field: str, expected: str) -> Problem:
    faults = (Fault(field=field, expected=expected),)
    return Problem(BAD_INPUT, f"{field}: expected {expected}", faults=faults)


def _arguments(saga: Saga[...], given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    phase = next(iter(saga.phases.values()), None)
    kinds: Mapping[str, Any] = {} if phase is None else phase.arguments
    for argument, value in given.items():
        kind = kinds.get(argument, Any)
        made = structure(value, kind, strict=True)
        _refuse_bent(value, json.loads(dump(made)), argument)
        yield argument, made


def _refuse_bent(given: Any, kept: Any, where: str) -> None:
    """Refuse a value that would be kept as one of another type: a number as text, for one.

    Raises:
        ValueError: where it stands.
    """
    if isinstance(given, dict) and isinstance(kept, dict):
        for key in given.keys() & kept.keys():
            _refuse_bent(given[key], kept[key], f"{where}.{key}")
    elif isinstance(given, list) and isinstance(kept, list):
        for index, (one, other) in enumerate(zip(given, kept, strict=False)):
            _refuse_bent(one, other, f"{where}[{index}]")
    elif type(given) is not type(kept) and (type(given), type(kept)) != (int, float):
        raise ValueError(f"another type of value for {where}")


def dependencies(after: Sequence[WaitFor]) -> tuple[Dependency, ...]:
    """What a job waits for.

    Raises:
        Problem: the kernel refuses one.
    """
    with meant():
        return tuple(
            Dependency(parent=JobId(one.id), policy=one.policy, name=one.name or "")
            for one in after
        )


def constraint(body: UniqueConstraint | None) -> Unique | None:
    """The uniqueness that a submission asks for.

    Raises:
        Problem: its parts do not fit together.
    """
    with meant():
        return None if body is None else body.value()
