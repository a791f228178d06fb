"""Stored records as this version writes them; they must decode for ever.

``python -m parcae_specs.golden specs/golden/v1`` writes them anew. Do that only while no release
has written such records: afterwards a change of form is a new schema with an upcaster, and a new
folder. The test never writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve as replace

from parcae import codec
from parcae import events as e
from parcae.commands import Report, ReportKind
from parcae.shape import Reshaped
from parcae.spec import (
    Carried,
    Dependency,
    DependencyPolicy,
    Lost,
    OnLost,
    Origin,
    Owed,
    PhaseSpec,
    Retry,
    RetryMode,
    Spec,
    Timing,
    UndoSpec,
)
from parcae.state import Stored
from parcae.values import (
    Blob,
    Cause,
    Error,
    JobId,
    Lane,
    Place,
    Status,
    Token,
    WorkerId,
    hours,
    minutes,
    seconds,
)
from parcae_specs import golden_streams
from parcae_specs.golden_streams import lines
from parcae_specs.scenarios import SCENARIOS
from parcae_specs.story import Story, at

T, AT, LATER = Token(3), at(1.000001), at(61)
W = WorkerId("w-1")
RESULT = Blob("result/pack", 2, "ab" * 32)
REPORT = Report(kind=ReportKind.PHASE_COMPLETED, token=T, phase="pack", digest="cd" * 32)
BARE_REPORT = Report(kind=ReportKind.FAILED, token=T)
ERROR = Error(
    type="shop.OutOfStock",
    message="none left: “größe” 7",
    traceback="Traceback …\n",
    mro=("shop.OutOfStock", "builtins.Exception"),
    permanent=True,
)
ASKED = e.CancelRequest(at=AT, by="ops", reason="wrong file", force=True)
OWED = (Owed(phase="pack", unknown=True), Owed(phase="digest"))
FULL_SPEC = Spec(
    kind="archive",
    phases=(
        PhaseSpec(name="digest"),
        PhaseSpec(
            name="pack",
            undo=UndoSpec(
                unknown=True,
                retry=Retry(
                    max_attempts=4,
                    backoff=seconds(2),
                    factor=3,
                    cap=hours(2),
                    jitter=10,
                    give_up_on=("KeyError",),
                    max_releases=1,
                ),
            ),
        ),
    ),
    payload=Blob("payload", 2, "ef" * 32),
    definition="7",
    lane=Lane("files", "tenant"),
    priority=-5,
    run_at=LATER,
    deadline=at(3_600),
    retry=Retry(max_attempts=1),
    on_lost=OnLost(action=Lost.QUARANTINE, times=5),
    timing=Timing(
        lease=minutes(1),
        renewal=seconds(20),
        attempt=hours(1),
        cancel_grace=seconds(5),
        undo=hours(2),
        stale_after=hours(24),
        deadline=hours(48),
    ),
    dependencies=(Dependency(parent=JobId("p"), policy=DependencyPolicy.PROCEED),),
    seed=2**100 + 1,
    origin=Origin(job_id=JobId("o"), mode=RetryMode.UNDO, root=JobId("r"), settled=("digest",)),
)
PACK = (PhaseSpec(name="pack", undo=UndoSpec()),)
KEPT = (PhaseSpec(name="send", known_as="ship"),)
BARE_SPEC = Spec(kind="k", phases=(PhaseSpec(name="a"),), payload=Blob("payload", 0, "00" * 32))

EVENTS: tuple[e.Event, ...] = (
    e.Submitted(at=AT, spec=BARE_SPEC),
    e.Submitted(
        at=AT,
        spec=FULL_SPEC,
        carried=(
            Carried(phase="digest", result=RESULT),
            Carried(phase="pack", completed=False),
        ),
        fence=LATER,
    ),
    e.DependencySettled(at=AT, parent=JobId("p"), outcome=Status.FAILED, met=True),
    e.Scheduled(at=AT, run_at=LATER, place=Place(12)),
    e.Started(at=AT, token=T, worker=W, request="r-1", expires_at=LATER),
    e.PhaseStarted(at=AT, token=T, phase="pack"),
    e.PhaseCompleted(at=AT, token=T, phase="pack"),
    e.PhaseCompleted(at=AT, token=T, phase="pack", result=RESULT, answers=REPORT),
    e.CancelRequested(at=AT, request=e.CancelRequest(at=AT)),
    e.CancelRequested(at=AT, request=ASKED),
    e.RetryScheduled(at=AT, run_at=LATER, place=Place(13), cause=Cause.HANDLER_ERROR),
    e.RetryScheduled(
        at=AT,
        run_at=LATER,
        place=Place(13),
        cause=Cause.ATTEMPT_TIMEOUT,
        error=ERROR,
        interrupted="pack",
        fence=LATER,
        reconciled=True,
        answers=BARE_REPORT,
    ),
    e.Released(at=AT, voluntary=False),
    e.Released(at=AT, voluntary=True, burned=True, interrupted="pack", answers=REPORT),
    e.Completed(at=AT),
    e.Completed(at=AT, overtook=True, answers=REPORT),
    e.Failed(at=AT, cause=Cause.DEADLINE),
    e.Failed(
        at=AT,
        cause=Cause.ATTEMPTS_EXHAUSTED,
        reconciled=True,
        burned_by=Cause.LEASE_LOST,
        error=ERROR,
        interrupted="pack",
        fence=LATER,
        answers=REPORT,
    ),
    e.Cancelled(at=AT, cause=Cause.CANCELLED),
    e.Cancelled(
        at=AT,
        cause=Cause.FORCED_CANCEL,
        reconciled=True,
        burned_by=Cause.HANDLER_ERROR,
        error=ERROR,
        interrupted="pack",
        fence=LATER,
        request=ASKED,
        answers=REPORT,
    ),
    e.CompensationBegan(at=AT, cause=Cause.HANDLER_ERROR, undos=OWED, ready_at=AT),
    e.CompensationBegan(
        at=AT,
        cause=Cause.FORCED_CANCEL,
        undos=OWED,
        ready_at=AT,
        reconciled=True,
        burned_by=Cause.ATTEMPT_TIMEOUT,
        error=ERROR,
        interrupted="pack",
        fence=LATER,
        overlap=True,
        request=ASKED,
        answers=REPORT,
    ),
    e.CompensationClaimed(at=AT, token=T, worker=W, request="r-2", expires_at=LATER),
    e.UndoStarted(at=AT, token=T, phase="pack"),
    e.UndoCompleted(at=AT, token=T, phase="pack"),
    e.UndoCompleted(at=AT, token=T, phase="pack", answers=REPORT),
    e.UndoRetryScheduled(at=AT, phase="pack", ready_at=LATER, error=ERROR),
    e.UndoRetryScheduled(
        at=AT, phase="pack", ready_at=LATER, error=Error(type="E"), answers=BARE_REPORT
    ),
    e.CompensationReleased(at=AT, voluntary=False),
    e.CompensationReleased(at=AT, voluntary=True, burned=True, answers=REPORT),
    e.CompensationLost(at=AT, cause=Cause.LEASE_LOST, ready_at=LATER),
    e.CompensationLost(at=AT, cause=Cause.ATTEMPT_TIMEOUT, ready_at=LATER, fence=LATER),
    e.Compensated(at=AT),
    e.Compensated(at=AT, answers=REPORT),
    e.Quarantined(at=AT, cause=Cause.POISON),
    e.Quarantined(
        at=AT,
        cause=Cause.OUTCOME_UNKNOWN,
        owed=OWED,
        trigger=Cause.DEADLINE,
        reconciled=True,
        burned_by=Cause.LEASE_LOST,
        error=ERROR,
        interrupted="pack",
        fence=LATER,
        request=ASKED,
        answers=REPORT,
    ),
    e.Annotated(at=AT, by="ops", note="a name such as \udcff.txt"),
    e.LateResultRecorded(at=AT, token=T, kind=ReportKind.RELEASED),
    e.LateResultRecorded(
        at=AT,
        token=T,
        kind=ReportKind.UNDO_FAILED,
        phase="pack",
        error=ERROR,
        result=Blob("late/3", 2, "ab" * 32),
    ),
    e.Deleted(at=AT),
    e.Released(at=AT, voluntary=True, lacks="phase 'pack'"),
    e.CompensationReleased(at=AT, voluntary=True, lacks="the undo of 'pack'"),
    e.Migrated(at=AT, shape=Reshaped(definition="2", phases=PACK, whole=PACK)),
    e.Migrated(
        at=AT,
        shape=Reshaped(definition="3", phases=(*PACK, *KEPT), whole=PACK),
        by="ops",
    ),
    e.Submitted(at=AT, spec=replace(BARE_SPEC, external=True)),
)
"""Each event, bare and with everything it can have: what the records must decode to."""


def slug(name: str) -> str:
    """The name of a scenario's file."""
    return name.replace(",", "").replace(" ", "-")


def last_stored(story: Story) -> Stored:
    """The job as it was last kept."""
    return [edge.after for edge in story.edges if edge.after is not None][-1]


def records(story: Story) -> tuple[bytes, bytes]:
    """The lines of a history, and those of the job after it: spec, state, liveness if held."""
    stored = last_stored(story)
    kept = [codec.encode_spec(stored.job.spec), codec.encode_job(stored.job)]
    if stored.liveness is not None:
        kept.append(codec.encode_liveness(stored.liveness))
    return lines(codec.encode_event(event) for event in story.history), lines(kept)


def files() -> Iterator[tuple[str, bytes]]:
    """Every golden file's name and content."""
    yield "events.jsonl", lines(map(codec.encode_event, EVENTS))
    for name, steps in SCENARIOS.items():
        history, kept = records(Story().when(*steps))
        yield f"{slug(name)}.jsonl", history
        yield f"{slug(name)}.stored.jsonl", kept
    yield from golden_streams.files()


def write(folder: Path) -> None:
    """Write every golden file into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
