"""What an outsider is told of an event: a CloudEvents 1.0 envelope, small and always the same.

An envelope says what happened to whom and where that leaves it, so that a reader knows whether to
ask for more. It has no payload, result, traceback or note, no key that grants anything, and no list
that grows with the work. Whoever tells of an event, in a stream or to a webhook, sends these bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from attrs import fields, frozen

from parcae import events as e
from parcae import groups as g
from parcae import queues as q
from parcae import schedules as d
from parcae.change import AnyEvent
from parcae.codec import TAGS
from parcae.filters import Filter
from parcae.shape import Reshaped
from parcae.state import Job
from parcae.values import MAX_NAME, Error, Instant, StreamId, Version, cut

Envelope = Mapping[str, Any]
"""The attributes of one CloudEvent, of JSON's own types."""

SOURCE = "parcae"
MAX_ENVELOPE = 16_384
"""Bytes of UTF-8: no envelope is larger, whatever a job is called."""
MAX_TEXT = 1_000
"""Characters of what somebody wrote: the message of an error, the reason of a cancel."""

_FAMILIES: tuple[tuple[str, Any], ...] = (
    ("job", e.Event),
    ("queue", q.QueueEvent),
    ("group", g.GroupEvent),
    ("schedule", d.ScheduleEvent),
)
# An event of any other family has no envelope: to tell of a delivery would be another delivery.


def _family(kind: type[AnyEvent]) -> str | None:
    return next((name for name, family in _FAMILIES if issubclass(kind, family)), None)


_TYPE_OF: Mapping[type[AnyEvent], str] = {
    kind: f"parcae.{family}.{tag}"
    for tag, kind in TAGS.items()
    if (family := _family(kind)) is not None
}

TYPES: Mapping[str, str] = {type_: type_.rpartition(".")[2] for type_ in _TYPE_OF.values()}
"""Every type there is, and the tag under which its events are stored: by tags filters choose."""


@frozen(kw_only=True)
class About:
    """What a filter looks at.

    Attributes:
        tag: the name under which the event is stored.
        stream: the id of the job or group, or the name of the queue's or schedule's history.
        kind: of the job; ``None``: it is of none, or deleted.
        queue: of the job, or the queue itself; ``None``: it is in none, or deleted.
    """

    tag: str
    stream: StreamId
    kind: str | None = None
    queue: str | None = None


def about(stream: StreamId, event: AnyEvent, job: Job | None) -> About | None:
    """What a filter looks at; ``None``: the event has no envelope.

    Args:
        stream: whose event it is.
        event: what happened.
        job: the job after it, if it is one's. What was deleted tells its id alone, to everybody.
    """
    type_ = _TYPE_OF.get(type(event))
    if type_ is None:
        return None
    tag = TYPES[type_]
    if isinstance(event, q.QueueEvent):
        return About(tag=tag, stream=stream, queue=stream.removeprefix("queue/"))
    if job is None or isinstance(event, e.Deleted):
        return About(tag=tag, stream=stream)
    return About(tag=tag, stream=stream, kind=job.spec.kind, queue=job.spec.lane.queue)


def wanted(choice: Filter, one: About) -> bool:
    """Whether somebody who chose so is told of this.

    A deleted job has neither kind nor queue any more, so that whoever asks for one of those is not
    told of deletions. Groups and schedules have neither.
    """
    return choice.takes(one.tag, one.stream, one.kind, one.queue)


def envelope(
    stream: StreamId,
    version: Version,
    event: AnyEvent,
    job: Job | None,
    *,
    source: str = SOURCE,
) -> Envelope | None:
    """The CloudEvent of an event; ``None``: nobody is told of events of this family.

    The same for ever: it depends on the history up to the event, and on nothing that comes later.

    Args:
        stream: whose event it is.
        version: of whose it is, once it had happened.
        event: what happened.
        job: the job after it, if it is one's; ``None`` of a deleted one.
        source: who tells it: a URI reference.
    """
    type_ = _TYPE_OF.get(type(event))
    if type_ is None:
        return None
    return {
        "specversion": "1.0",
        "id": f"{stream}/{version}",
        "source": source,
        "type": type_,
        "subject": stream,
        "time": _instant(event.at),
        "datacontenttype": "application/json",
        "data": {**_whose(stream, version, event, job), **_told(event)},
    }


def encode(one: Envelope) -> str:
    """An envelope as JSON, on one line and without a lone surrogate: encode it as UTF-8."""
    return json.dumps(one, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _whose(stream: str, version: int, event: AnyEvent, job: Job | None) -> dict[str, Any]:
    if not isinstance(event, e.Event):
        family, _, name = stream.partition("/")
        # The id of a group begins with the word.
        return {family: stream if family == "group" else name, "version": version}
    if job is None or isinstance(event, e.Deleted):
        return {"job_id": stream, "version": version}
    group = job.spec.group
    return {
        "job_id": stream,
        "version": version,
        "kind": job.spec.kind,
        "queue": job.spec.lane.queue,
        "key": job.spec.lane.key,
        "status": job.status.value,
        "attempts": job.attempts,
        "starts": job.starts,
        **({} if group is None else {"group": group.group_id}),
    }


def _instant(value: Instant) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


# What JSON would write with six bytes, and nobody reads.
_CONTROLS = dict.fromkeys((*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20)), "\ufffd")


def _text(value: str, limit: int = MAX_TEXT) -> str:
    """What somebody wrote, bounded. A lone surrogate stands for a byte that was no text."""
    # Cut before it is looked at, and again after: an escape is longer than what it stands for.
    readable = value[: limit + 1].encode("utf-8", "backslashreplace").decode()
    return cut(readable.translate(_CONTROLS), limit)


def _name(value: str) -> str:
    return _text(value, MAX_NAME)


def _error(value: Error) -> dict[str, Any]:
    message = _text(value.message)
    return {"type": value.type, "message": message, "permanent": value.permanent}


def _cancel(value: object) -> dict[str, Any] | None:
    # A claim has a request too: the key by which it may be repeated, which is nobody else's.
    if not isinstance(value, e.CancelRequest):
        return None
    return {"by": _name(value.by), "reason": _text(value.reason), "force": value.force}


def _plan(value: d.Plan) -> dict[str, Any]:
    spec = value.spec
    return {"cron": _name(value.cron), "kind": spec.kind, "queue": spec.lane.queue}


def _rate(value: q.Rate) -> dict[str, Any]:
    return {"count": value.count, "per": value.per.total_seconds()}


def _definition(value: Reshaped) -> str:
    return _name(value.definition)


def _same(value: Any) -> Any:
    return value


_TOLD: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "cause": ("cause", str),
    "trigger": ("trigger", str),
    "burned_by": ("burned_by", str),
    "reconciled": ("reconciled", _same),
    "error": ("error", _error),
    "phase": ("phase", _name),
    "interrupted": ("interrupted", _name),
    "token": ("token", _same),
    "worker": ("worker", _name),
    "run_at": ("run_at", _instant),
    "ready_at": ("ready_at", _instant),
    "expires_at": ("expires_at", _instant),
    "next_at": ("next_at", _instant),
    "voluntary": ("voluntary", _same),
    "burned": ("burned", _same),
    "overtook": ("overtook", _same),
    "overlap": ("overlap", _same),
    "parent": ("parent", _name),
    "outcome": ("outcome", str),
    "met": ("met", _same),
    "owed": ("owed", len),
    "undos": ("undos", len),
    "request": ("cancel", _cancel),
    "kind": ("report", str),
    "by": ("by", _name),
    "reason": ("reason", _text),
    "limit": ("limit", _same),
    "rate": ("rate", _rate),
    "aging": ("aging", _same),
    "key": ("key", _name),
    "each": ("each", _same),
    "size": ("size", _same),
    "label": ("label", _text),
    "compensate": ("compensate", _same),
    "job_id": ("job_id", _name),
    "member": ("member", _same),
    "cursor": ("cursor", _same),
    "plan": ("plan", _plan),
    "ticks": ("ticks", len),
    "jobs": ("jobs", len),
    "skipped": ("skipped", _same),
    "shape": ("definition", _definition),
}
"""What may be told of an event's own fields, as what and how. What is not here is not told: lists
are counted, and a field that comes later waits until somebody has thought about it."""


_OPEN = frozenset({"limit", "rate", "aging"})
"""Of these ``None`` says something: there is no bound any more."""


def _told(event: AnyEvent) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for attribute, name, put in _FIELDS[type(event)]:
        value = getattr(event, attribute)
        shown = None if value is None else put(value)
        if shown is not None or attribute in _OPEN:
            told[name] = shown
    return told


_FIELDS: Mapping[type[AnyEvent], tuple[tuple[str, str, Callable[[Any], Any]], ...]] = {
    kind: tuple((one.name, *_TOLD[one.name]) for one in fields(kind) if one.name in _TOLD)
    for kind in _TYPE_OF
}
