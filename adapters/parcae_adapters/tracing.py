"""Spans for OpenTelemetry, made from the log: the only importer of ``opentelemetry``.

A job is a trace. A job's specification has no room for the context of whoever submitted it, so the
trace is derived from the job's id, on both sides alike: the 128 bits of the id are the id of the
trace. Whoever submits adds a link to it to the span of their own; each attempt has a link back to
the submission.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from parcae.projection import Fact, Interval
from parcae.projection import Span as Kind
from parcae.values import Instant, JobId, Token, mix

MICROSECOND = timedelta(microseconds=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
WELL = frozenset({"completed", "released", "started", "cancelled by request"})


def context_of(job_id: JobId) -> SpanContext:
    """The submission of a job, as the context of a span: the root of the job's trace.

    ::

        handle = await engine.submit(order(...))
        trace.get_current_span().add_link(context_of(handle.job_id))
    """
    return SpanContext(
        trace_id=UUID(job_id).int,
        span_id=mix("span", job_id) >> 64,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


class Spans:
    """Makes a span of each attempt, and below it one of each phase; undos stand by themselves.

    Hand :meth:`take` to :meth:`parcae_adapters.facts.Facts.catch_up`.

    Args:
        tracer: makes the spans, with the times at which things happened.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[tuple[str, Token | None], Span] = {}

    def take(self, fact: Fact) -> None:
        """Begin or end what one fact begins or ends."""
        if fact.name == "started":
            self._open[fact.stream, fact.token] = self._begin(fact)
        for one in fact.intervals:
            if one.span is Kind.ATTEMPT:
                self._end(fact, one)
            elif one.span is not Kind.WAIT:
                self._inner(fact, one)

    def _begin(self, fact: Fact) -> Span:
        root = context_of(JobId(fact.stream))
        return self._tracer.start_span(
            f"{fact.labels['kind']} attempt",
            context=_below(NonRecordingSpan(root)),
            kind=SpanKind.CONSUMER,
            links=(Link(root, {"parcae.link": "submission"}),),
            attributes=_attributes(fact),
            start_time=_nanoseconds(fact.at),
        )

    def _end(self, fact: Fact, one: Interval) -> None:
        span = self._open.pop((fact.stream, one.token), None)
        if span is not None:
            _finish(span, one)

    def _inner(self, fact: Fact, one: Interval) -> None:
        above = self._open.get((fact.stream, one.token))
        parent = above or NonRecordingSpan(context_of(JobId(fact.stream)))
        span = self._tracer.start_span(
            f"{one.span} {one.phase}",
            context=_below(parent),
            attributes={**_attributes(fact), "parcae.phase": one.phase or ""},
            start_time=_nanoseconds(one.began),
        )
        _finish(span, one)


def _below(parent: Span) -> Context:
    return set_span_in_context(parent, Context())


def _finish(span: Span, one: Interval) -> None:
    span.set_attribute("parcae.outcome", one.outcome)
    if one.outcome not in WELL:
        span.set_status(Status(StatusCode.ERROR, one.outcome))
    span.end(end_time=_nanoseconds(max(one.began, one.ended)))


def _attributes(fact: Fact) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "parcae.job_id": fact.stream,
        "parcae.kind": fact.labels.get("kind", ""),
        "parcae.queue": fact.labels.get("queue", ""),
    }
    for name in ("attempt", "token", "worker"):
        value = getattr(fact, name)
        if value is not None:
            found[f"parcae.{name}"] = value
    return found


def _nanoseconds(at: Instant) -> int:
    return (at - BEGINNING) // MICROSECOND * 1_000
