"""Histories as lines of text, and back: refolded and checked before anything is stored.

A file is a header, one line for each history, and a last line with their number, so that one that
was cut off is known for it. What is in it is one moment: no event past the header's position.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import Factory, frozen

from parcae import answers as a
from parcae.assess import stray_liveness
from parcae.change import Aggregate, AggregateEvent, AnyEvent, Change, Key, KeyRow, Revision, View
from parcae.codec import decode_any, decode_liveness, encode_event, encode_liveness
from parcae.converter import dump
from parcae.errors import Corrupt, Reason, Rejected
from parcae.events import Event
from parcae.evolve import fold
from parcae.groups import Group, due_at
from parcae.saga import remember, resume
from parcae.schedules import Schedule
from parcae.state import Job, Liveness, Pending, Stored
from parcae.streams import fold_stream
from parcae.values import Blob, GroupId, Instant, JobId, Position, StreamId, Version, blob, instant

FORMAT = "parcae-histories"
VERSION = 1
KEPT = ("queue/", "group/", "schedule/")
"""What is written beside jobs. What is owed to others stays where it is: it is sent from there."""

Line = dict[str, Any]


@frozen(kw_only=True)
class History:
    """One job, queue, group or schedule: all that is to be stored of it.

    Attributes:
        stream: the name of its history.
        events: all of them, in order.
        blobs: the bytes beside a job, by name.
        keys: the rows that belong to a job: who took it up, its legal hold, its constraint.
        liveness: beside a job that somebody holds.
    """

    stream: StreamId
    events: tuple[AnyEvent, ...]
    blobs: Mapping[str, bytes] = Factory(dict)
    keys: tuple[KeyRow, ...] = ()
    liveness: Liveness | None = None


def header(at: Instant, head: Position) -> Line:
    """The first line of a file: which format, when it was written, and up to where."""
    return {"format": FORMAT, "version": VERSION, "at": at.isoformat(), "position": head}


def footer(count: int) -> Line:
    """The last line of a file."""
    return {"end": FORMAT, "histories": count}


def require_header(line: Line) -> None:
    """Refuse what is no such file, or is of a later version.

    Raises:
        Rejected: so it is.
    """
    if line.get("format") != FORMAT:
        raise _bad("this is no file of histories: its first line names no such format")
    if line.get("version") != VERSION:
        found = line.get("version")
        raise _bad(f"it is of version {found!r}, and this Parcae reads version {VERSION}")


def _bad(message: str) -> Rejected:
    return Rejected(Reason.BAD_INPUT, message, command="import")


def written(one: History) -> Line:
    """A history as a line. Text stays readable; bytes are base64."""
    line: Line = {
        "stream": one.stream,
        "events": [json.loads(encode_event(event)) for event in one.events],
    }
    if one.blobs:
        packed = ((name, base64.b64encode(data).decode()) for name, data in one.blobs.items())
        line["blobs"] = dict(sorted(packed))
    if one.keys:
        line["keys"] = [_key(row) for row in one.keys]
    if one.liveness is not None:
        line["liveness"] = json.loads(encode_liveness(one.liveness))
    return line


def _key(row: KeyRow) -> Line:
    return {
        "scope": row.key.scope,
        "key": row.key.key,
        "fingerprint": row.fingerprint,
        "job_id": row.job_id,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
    }


def read(line: Line) -> History:
    """The history that a line says.

    Raises:
        Corrupt: it is damaged, or was written by a later version.
    """
    try:
        stream = StreamId(str(line["stream"]))
        alive = line.get("liveness")
        return History(
            stream=stream,
            events=tuple(decode_any(dump(one), stream=stream) for one in line["events"]),
            blobs={
                str(name): base64.b64decode(data, validate=True)
                for name, data in line.get("blobs", {}).items()
            },
            keys=tuple(map(_row, line.get("keys", ()))),
            liveness=None if alive is None else decode_liveness(dump(alive)),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Corrupt(f"a damaged line ({type(error).__name__}: {error})") from error


def _row(line: Line) -> KeyRow:
    until = line["expires_at"]
    return KeyRow(
        key=Key(scope=str(line["scope"]), key=str(line["key"])),
        fingerprint=str(line["fingerprint"]),
        job_id=JobId(str(line["job_id"])),
        expires_at=None if until is None else instant(Instant.fromisoformat(until)),
    )


def refolded(one: History) -> Job | Aggregate:
    """What a history folds to.

    Raises:
        Corrupt: it does not fold, bytes are missing or are others, or parts do not fit together.
    """
    if "/" in one.stream:
        return _aggregate(one)
    events = tuple(event for event in one.events if isinstance(event, Event))
    if len(events) != len(one.events):
        raise Corrupt(f"job {one.stream}: an event that is of no job")
    job = fold(JobId(one.stream), events)
    if job is None:
        raise Corrupt(f"job {one.stream}: its history leaves no job behind")
    for ref in blobs_of(events):
        if ref.name in one.blobs and blob(ref.name, one.blobs[ref.name]) != ref:
            raise Corrupt(f"job {one.stream}: the bytes of {ref.name} are not those of its history")
    if job.spec.payload.name not in one.blobs:
        raise Corrupt(f"job {one.stream}: its payload is missing")
    stray = stray_liveness(job, one.liveness)
    if stray is not None:
        raise Corrupt(f"job {one.stream}: {stray}")
    return job


def _aggregate(one: History) -> Aggregate:
    events = [event for event in one.events if isinstance(event, AggregateEvent)]
    if len(events) != len(one.events) or not one.stream.startswith(KEPT):
        raise Corrupt(f"{one.stream}: an event that does not belong there")
    found = fold_stream(one.stream, events)
    if found is None:
        raise Corrupt(f"{one.stream}: its history leaves nothing behind")
    return found


def blobs_of(events: Iterable[Event]) -> Iterator[Blob]:
    """The bytes that a job's history speaks of; of each name the last ones are kept."""
    found: dict[str, Blob] = {}
    for event in events:
        spec = getattr(event, "spec", None)
        refs = [spec.payload if spec is not None else None, getattr(event, "result", None)]
        refs += [one.result for one in getattr(event, "carried", ())]
        found |= {ref.name: ref for ref in refs if ref is not None}
    yield from found.values()


def awaits(found: Job | Aggregate) -> tuple[str, ...]:
    """The jobs and groups without which what was folded could not go on."""
    if not isinstance(found, Job) or found.status.is_terminal:
        return ()
    waits = found.state.unsettled if isinstance(found.state, Pending) else ()
    member = () if found.spec.group is None else (found.spec.group.group_id,)
    return (*waits, *member)


def restore(
    view: View, one: History, found: Job | Aggregate, *, awaited: bool
) -> Sequence[Change | Revision]:
    """Rule: store a history as it was. Nothing new happens by that.

    Args:
        view: with the job, its keys and its queue; of a queue, a group or a schedule nothing.
        one: the history.
        found: what it folds to.
        awaited: some job of the file still waits for its end.

    Raises:
        Rejected: it is there already, or somebody else has one of its keys.
    """
    if isinstance(found, Job):
        return (_restored(view, one, found, awaited=awaited),)
    # A group goes on by itself only once all its members are there: see :func:`wake`.
    remind = found.next_at if isinstance(found, Schedule) else None
    if isinstance(found, Group) and found.status is not None and awaited:
        remind = view.now
    events = tuple(event for event in one.events if isinstance(event, AggregateEvent))
    before = Version(0)
    return (
        Revision(
            stream=one.stream,
            before=before,
            events=events,
            after=found,
            remind=remind,
            restored=True,
        ),
    )


def wake(view: View, group_id: GroupId) -> Sequence[Revision]:
    """Rule: have a group that was restored go on by itself, if it has to."""
    group = view.groups.get(group_id)
    remind = None if group is None else due_at(group)
    if group is None or remind is None:
        return ()
    stream = StreamId(group_id)
    return (Revision(stream=stream, before=group.version, events=(), after=group, remind=remind),)


def _restored(view: View, one: History, job: Job, *, awaited: bool) -> Change:
    if job.id in view.jobs:
        message = f"job {job.id} is there already: what is there is never overwritten"
        raise Rejected(Reason.DUPLICATE_ID, message, command="import")
    for row in one.keys:
        _require_free(view, row)
    events = tuple(event for event in one.events if isinstance(event, Event))
    effects = resume(Stored(job=job, liveness=one.liveness), view.queues.get(job.spec.lane.queue))
    refs = [ref for ref in blobs_of(events) if ref.name in one.blobs]
    if awaited and job.status.is_terminal:
        effects = remember(effects, view.now)
    return Change(
        job_id=job.id,
        before=Version(0),
        job=job,
        answer=a.Accepted(job_id=job.id, status=job.status),
        events=events,
        liveness=one.liveness,
        blobs=tuple((ref, one.blobs[ref.name]) for ref in refs),
        keys=one.keys,
        effects=effects,
        restored=True,
    )


def _require_free(view: View, row: KeyRow) -> None:
    taken = view.keys.get(row.key)
    over = taken is not None and taken.expires_at is not None and taken.expires_at <= view.now
    if taken is None or over or taken == row:
        return
    scope, key = row.key.scope, row.key.key
    message = f"the {scope} key {key!r} of {row.job_id} belongs to {taken.job_id} here"
    raise Rejected(Reason.KEY_REUSED, message, command="import")
