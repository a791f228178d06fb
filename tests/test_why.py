"""What is the matter with a job: complete in every reachable state, and never against the state."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from attrs import evolve as replace
from hypothesis import given as for_all

from parcae import commands as c
from parcae.admission import offer
from parcae.compensation import settled_by_hand, still_owed
from parcae.errors import Rejected
from parcae.freshness import Freshness
from parcae.groups import Group
from parcae.lifecycle import EVENTS
from parcae.queues import Bounds, Queue
from parcae.saga import resubmission
from parcae.spec import DependencyPolicy, RetryMode, Timing
from parcae.state import Ended, Job, Stored, UndoStatus
from parcae.survey import Standing
from parcae.timing import DueKind, expired, next_due
from parcae.values import (
    Cause,
    Error,
    GroupId,
    Instant,
    JobId,
    Status,
    Token,
    Version,
    WorkerId,
    minutes,
    seconds,
)
from parcae.why import (
    BOUNDS,
    CAUSES,
    POLICIES,
    STATUSES,
    Awaited,
    Explanation,
    Surroundings,
    redacted,
    why,
)
from parcae_specs.explorer.cell import NOW
from parcae_specs.explorer.search import explore
from parcae_specs.explorer.slices import SLICES
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.scenarios.common import PARENTS
from parcae_specs.story import (
    JOB,
    Story,
    at,
    cancel,
    claim,
    done,
    fail,
    given,
    put,
    reconcile,
    release,
    renew,
    start,
    submit,
    undo,
)
from parcae_specs.strategies import stories

CLASSES = {kind.__name__ for kind in EVENTS if len(re.findall("[A-Z]", kind.__name__)) > 1}
LATER = (0, 16, 40, 2_000)


def explained(story: Story, now: Instant | None = None, **around: object) -> Explanation:
    """What is said of the job of a story."""
    assert story.stored is not None
    surroundings = Surroundings(history=tuple(story.history), **around)  # type: ignore[arg-type]
    return why(story.job, story.stored.liveness, now or story.now, surroundings)


def sentences(said: Explanation) -> Iterator[str]:
    """Everything that an operator reads."""
    yield from (said.state, said.next, said.freshness.because)
    yield from (*said.waits, *said.past, *said.doubts)


def complete(said: Explanation) -> None:
    """Whole sentences, without names of classes and holes."""
    assert said.state
    assert said.next
    assert said.remedies[-1].command == f"parcae show {said.job_id}"
    for one in sentences(said):
        assert one.endswith("."), one
        assert not one[0].islower() or one.startswith(("p, ", "q, ", "ops ")), one
        assert not set("\n{}") & set(one), one
        assert "  " not in one, one
        assert "None" not in one, one
        assert not CLASSES & set(re.findall(r"\w+", one)), one


def true(stored: Stored, now: Instant, said: Explanation) -> None:
    """Nothing that is said contradicts the state."""
    job, state, ended = stored.job, stored.job.state, stored.job.status.is_terminal
    assert said.status is job.status
    assert STATUSES[job.status] in said.state
    others = [words for status, words in STATUSES.items() if status is not job.status]
    assert not any(words in said.state for words in others)
    if isinstance(state, Ended):
        assert said.since == state.at
        assert said.next.startswith("Nothing")
        assert not said.waits
        assert ("The reconciler established" in said.state) == state.reconciled
        assert (said.freshness.word is Freshness.RECONCILED) == state.reconciled
        assert state.cause is None or CAUSES[state.cause] in said.state
    else:
        assert "outcome never changes" not in said.next
    doubtful(stored, now, said)
    foretold(stored, now, said)
    helpful(stored, now, said)
    assert ended == (said.freshness.word in (Freshness.SETTLED, Freshness.RECONCILED))


def doubtful(stored: Stored, now: Instant, said: Explanation) -> None:
    """What nobody can know is always said."""
    job, doubts = stored.job, " ".join(said.doubts)
    undone = {one.phase for one in job.undos if one.status is UndoStatus.DONE}
    for spec, phase in zip(job.spec.phases, job.phases, strict=True):
        if phase.maybe and spec.name not in undone:
            assert "nobody knows" in doubts
    if job.lease is not None and expired(stored.liveness, now):
        assert "both look alike" in doubts
        if job.running_phase is not None:
            assert f"Phase {job.spec.phases[job.running_phase].name} was in work" in doubts
    if job.fence is not None and job.fence > now:
        assert "may still be alive" in doubts


def foretold(stored: Stored, now: Instant, said: Explanation) -> None:
    """What falls due comes about as it is told: the reconciler is asked, and agrees."""
    job = stored.job
    due = next_due(job, stored.liveness)
    if due is None:
        return
    edge = put(stored, c.Reconcile(), max(due.at, now), job.place)
    assert edge.after is not None
    after = edge.after.job
    if after.status.is_terminal:
        assert f"the reconciler ends it as {after.status}" in said.next
    elif after.status is Status.SCHEDULED:
        assert f"back in line for attempt {after.attempt} of" in said.next
    else:
        assert "undone, from" in said.next or "is tried again, from" in said.next
    assert BOUNDS[due.kind] in said.next or due.kind is DueKind.LEASE


def helpful(stored: Stored, now: Instant, said: Explanation) -> None:
    """Only commands that the kernel takes are proposed; and of an owed undo, the one that helps."""
    job = stored.job
    for one in said.remedies:
        words = one.command.split()
        if words[1] == "retry":
            assert job.status.is_terminal
            settled = tuple(words[i + 1] for i, word in enumerate(words) if word == "--settled")
            resubmission(job, RetryMode(words[4]), job_id=JOB, seed=1, settled=settled)
        if words[1] == "cancel":
            edge = put(stored, cancel(force="--force" in words), now, job.place)
            assert edge.events, one
    if job.status is Status.QUARANTINED:
        owed = any(undo.status is not UndoStatus.DONE for undo in job.undos)
        first = said.remedies[0].command
        possible = "--mode undo" in first
        assert ("Still owed" in said.next) == owed
        assert possible == (owed and not hopeless(stored.job))
        assert ("by hand" in said.next) == bool(settled_by_hand(job))


def hopeless(job: Job) -> bool:
    """Whether no undo that is owed can be done by a command."""
    return len(settled_by_hand(job)) == len(still_owed(job.undos))


@pytest.mark.parametrize("name", SCENARIOS)
def test_at_every_step_of_every_scenario_it_is_complete_and_true(name: str) -> None:
    story = Story()
    for step in SCENARIOS[name]:
        story.when(step)
        if story.stored is None:
            continue
        for later in LATER:
            now = story.now + seconds(later)
            said = explained(story, now)
            complete(said)
            true(story.stored, now, said)


@for_all(stories())
def test_wherever_commands_lead_it_is_complete_and_true(story: Story) -> None:
    if story.stored is None:
        return
    for later in LATER:
        now = story.now + seconds(later)
        said = explained(story, now)
        complete(said)
        true(story.stored, now, said)
        assert said.since <= story.now


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "one_in"), [("dependency", 1), ("saga", 4)])
def test_in_the_worlds_of_a_slice_it_is_complete_and_true(name: str, one_in: int) -> None:
    cells = explore(SLICES[name]).space.tables.cells.values
    told: set[tuple[Status, Cause | None]] = set()
    for cell in list(cells)[::one_in]:
        if cell.stored is None:
            continue
        said = why(cell.stored.job, cell.stored.liveness, NOW)
        complete(said)
        true(cell.stored, NOW, said)
        told.add((said.status, getattr(cell.stored.job.state, "cause", None)))
    assert len(told) > 4


def test_every_status_cause_bound_and_policy_has_its_words() -> None:
    assert list(STATUSES) == list(Status)
    assert list(CAUSES) == list(Cause)
    assert list(BOUNDS) == list(DueKind)
    assert list(POLICIES) == list(DependencyPolicy)
    for words in (STATUSES, CAUSES, BOUNDS, POLICIES):
        assert len(set(words.values())) == len(words)
        assert not any(one.endswith(".") or one[0].isupper() for one in words.values())


def test_every_cause_is_told_of_some_scenario() -> None:
    told = {
        story.job.state.cause
        for story in map(play, SCENARIOS)
        if story.stored is not None and isinstance(story.job.state, Ended)
    }
    assert told >= set(Cause) - {Cause.FORCED_CANCEL, Cause.LEASE_LOST, Cause.UNDO_REQUESTED}


def test_no_text_of_an_error_and_no_payload_is_said_unless_asked_for() -> None:
    secret = Error(type="shop.Broke", message="card 4711", traceback="line 4711")
    story = given(submit("a"), claim(), start("a"), c.Fail(token=Token(1), error=secret))
    around = Surroundings(history=tuple(story.history), payload=b'{"card": "4711"}')
    said = why(story.job, None, at(3), around)
    assert "4711" not in " ".join(sentences(said))
    assert "shop.Broke" in " ".join(said.past)
    assert said.diagnostics is None
    more = why(story.job, None, at(3), around, diagnostics=True).diagnostics
    assert more is not None
    assert [one.error for one in more.errors] == [secret]
    assert (more.errors[0].phase, more.errors[0].number) == ("a", 1)
    assert more.payload == '{"card": "<text of 4>"}'
    assert '{"card"' not in repr(around)


@pytest.mark.parametrize(
    ("payload", "shape"),
    [
        (b'{"a": [1, 2.5, true, null, "xyz"]}', None),
        (b"[" * 9 + b"]" * 9, None),
        (b"[" + b"0," * 30 + b"0]", None),
        (b"nonsense", "<8 bytes that are no JSON>"),
    ],
)
def test_a_payload_is_shown_without_its_values(payload: bytes, shape: str | None) -> None:
    said = redacted(payload)
    assert shape in (None, said)
    assert not re.search(r"\b(2\.5|xyz)\b", said)
    assert len(said) < 400


def test_the_place_in_line_and_who_holds_the_slots_are_said() -> None:
    waiting = given(submit("a"))
    holder = given(submit("a"), claim("bob")).stored
    assert waiting.stored is not None
    assert holder is not None
    queue = Queue(name="default", bounds=Bounds(limit=1))
    standing = Standing(
        now=at(90),
        stored=waiting.stored,
        offer=offer(waiting.job),
        queue=queue,
        ahead=2,
        ahead_in_queue=2,
        held=1,
        held_in_queue=1,
        holders=(holder,),
    )
    said = explained(waiting, at(90), standing=standing, queue=queue)
    text = " ".join(said.waits)
    assert "2 jobs of its line (queue default) will start before it." in text
    assert "1 of 1 slots of queue default are held." in text
    assert f"held by job {JOB} (worker bob, for 90s)" in text
    assert "2 jobs before it" in said.next
    assert f"parcae why {JOB}" in [one.command for one in said.remedies]
    complete(said)


def test_a_paused_queue_is_named_and_so_is_the_command_that_resumes_it() -> None:
    queue = Queue(name="mail", paused_at=at(1))
    said = explained(given(submit("a")), at(5_000), queue=queue)
    assert said.freshness.word is Freshness.FRESH
    assert "Queue mail is paused since 2026-01-01 00:00:01 UTC." in said.waits
    assert said.next.startswith("Nothing, until its queue mail is resumed")
    assert said.remedies[0].command == "parcae queue resume mail"


def test_a_kind_that_nobody_knows_is_said_and_a_worker_proposed() -> None:
    said = explained(given(submit("a")), at(5), workers=frozenset())
    assert "No living worker is known that runs kind demo: until one comes, it waits." in said.waits
    assert said.remedies[0].command.startswith("parcae worker")
    known = explained(given(submit("a")), at(5), workers=frozenset({WorkerId("w")}))
    assert "1 living worker can run kind demo." in known.waits


def test_what_it_waits_for_is_followed_to_what_that_waits_for() -> None:
    story = given(submit("a", dependencies=PARENTS))
    running = given(submit("a"), claim("bob")).stored
    pending = given(submit("a", dependencies=PARENTS)).stored
    leaf = Awaited(name=JobId("r"), stored=running)
    awaited = (Awaited(name=JobId("p"), stored=pending, awaits=leaf),)
    said = explained(story, at(3), awaited=awaited)
    assert said.waits == (
        "It waits for job p, which is pending (fresh) and waits for job r, which is running with "
        "worker bob (fresh). If that does not complete, this one is cancelled.",
        "It waits for job q. If that does not complete, this one is cancelled.",
    )
    assert said.remedies[0].command == "parcae why p"


def test_a_group_that_is_waited_for_says_how_far_it_is() -> None:
    name = GroupId("group/x")
    group = Group(id=name, version=Version(1), opened_at=at(0), seed=1, size=3)
    dependency = replace(PARENTS[0], parent=JobId(name), policy=DependencyPolicy.PROCEED)
    story = given(submit("a", dependencies=(dependency,)))
    awaited = (Awaited(name=JobId(name), policy=DependencyPolicy.PROCEED, group=group),)
    said = explained(story, awaited=awaited, group=group)
    assert "group/x, of which it is known: 3 of 3 jobs have not ended" in said.waits[0]
    assert said.remedies[0].command == f"parcae group show {name}"
    assert "Of its group group/x it is known: 3 of 3 jobs have not ended." in said.waits
    complete(said)


def test_a_retry_says_which_when_and_after_which_error() -> None:
    said = explained(given(submit("a"), claim(), start("a"), fail()))
    assert said.waits[:2] == (
        "Attempt 2 of 3 is next: the one before failed (builtins.ValueError).",
        "It may not start before 2026-01-01 00:00:01 UTC (in 1.0s).",
    )
    assert said.past == (
        "Attempt 1 (worker ann, token 1) failed with builtins.ValueError in phase a at "
        "2026-01-01 00:00:00 UTC.",
    )


def test_each_attempt_is_told_with_its_number_and_where_it_was() -> None:
    story = given(submit("a", "b"), claim(), start("a"), done("a"), fail())
    story.when(at(5), claim("bob", "s"), start("b", 2), fail(2))
    said = explained(story)
    assert [one.partition(" at ")[0] for one in said.past] == [
        "Attempt 1 (worker ann, token 1) failed with builtins.ValueError between phases",
        "Attempt 2 (worker bob, token 2) failed with builtins.ValueError in phase b",
    ]


def test_a_lost_lease_says_whose_in_which_phase_and_what_nobody_knows() -> None:
    said = explained(given(submit("a"), claim(), start("a"), at(30), reconcile()))
    assert said.past == (
        "Attempt 1 (worker ann, token 1) was lost with its worker in phase a at "
        "2026-01-01 00:00:30 UTC, as the reconciler found.",
    )
    assert said.waits[0] == "Attempt 2 of 3 is next: the one before lost its worker."
    assert said.doubts == (
        "Phase a was cut off in work: whether it happened, wholly or in part, nobody knows.",
    )


def test_a_worker_that_is_silent_is_said_to_be_dead_or_cut_off() -> None:
    story = given(submit("a"), claim(), start("a"))
    said = explained(story, at(31))
    assert said.freshness.word is Freshness.STALE
    assert said.next == (
        "Any living worker will notice that the expiry of its lease has passed; then it goes back "
        "in line for attempt 2 of 3, from 2026-01-01 00:00:31 UTC on."
    )
    assert said.remedies[0].command == "parcae reconcile"
    assert len(said.doubts) == 2


def test_what_follows_a_silence_and_what_comes_at_the_latest_are_both_told() -> None:
    story = given(submit("a", timing=Timing(attempt=minutes(2))), claim(), start("a"))
    said = explained(story, at(5))
    assert said.next == (
        "Phase a is the last: once it is done, the job is completed. "
        "If its worker is not heard of until 2026-01-01 00:00:30 UTC (in 25s), it goes back in "
        "line for attempt 2 of 3, from 2026-01-01 00:00:31 UTC on. "
        "At the latest at its hard timeout, 2026-01-01 00:02:00 UTC (in 115s), it goes back in "
        "line for attempt 2 of 3, from 2026-01-01 00:02:01 UTC on."
    )


def test_a_long_past_is_cut_and_says_so() -> None:
    story = given(submit("a"))
    for token in range(1, 9):
        story.when(claim(request=f"r{token}"), release(token))
    story.when(claim(request="x"), start("a", 9), renew(9))
    said = explained(story)
    assert len(said.past) == 8
    for token in range(9, 16):
        story.when(release(token), claim(request=f"s{token}"))
    said = explained(story)
    assert said.past[0].startswith("There were ")
    assert len(said.past) == 13


def test_what_was_taken_up_is_not_to_be_taken_up_again() -> None:
    story = given(submit("a"), claim(), start("a"), fail(permanent=True))
    said = explained(story, taken_up_by=JobId("other"))
    assert [one.command for one in said.remedies] == ["parcae why other", f"parcae show {JOB}"]
    assert said.next == "Nothing: the outcome never changes. Job other has taken it up."
    held = explained(story, on_hold=True)
    assert "legal hold" in held.next


def test_a_forced_undo_is_said_to_have_run_beside_a_living_handler() -> None:
    story = given(
        submit("a~", "b?"),
        claim(),
        start("a"),
        done("a"),
        start("b"),
        at(5),
        cancel("ops", "now", force=True),
        claim("bob", "s"),
        undo("b"),
    )
    said = explained(story)
    assert "Its undoing was forced" in " ".join(said.doubts)
    assert "ops asked for it to stop, without waiting for its handler (now)." in said.state
    with pytest.raises(Rejected):
        resubmission(story.job, RetryMode.RESUME, job_id=JOB, seed=1)


def test_why_needs_nothing_but_the_job() -> None:
    said = why(given(submit("a")).job, None, at(0))
    complete(said)
    assert said.since == at(0)
