"""What a job is asked to be: decided at its admission; only a migration changes its phases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from attrs import Attribute, field, frozen

from parcae.values import (
    MAX_DEPENDENCIES,
    MAX_PHASES,
    Blob,
    GroupId,
    Instant,
    JobId,
    Lane,
    hours,
    minutes,
    optional_instant,
    seconds,
    valid_duration,
    valid_label,
    valid_name,
    valid_number,
)

MOMENT = timedelta(microseconds=1)


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    # Typed, where a bare ``tuple`` would leave mypy's users with "expected Iterable[_T_co]".
    return tuple(values)


@frozen(kw_only=True)
class Retry:
    """When a failed attempt is made again (exponential backoff with jitter).

    Attributes:
        max_attempts: attempts in all, the first included. Failures, timeouts and losses burn one.
        backoff: the wait after the first failed attempt.
        factor: by which each further wait is longer.
        cap: the longest wait.
        jitter: percent of the wait, 0 to 100, that chance may take off it.
        give_up_on: names of exception classes (``ValueError``, ``shop.OutOfStock``), subclasses
            included, that are not worth another attempt.
        max_releases: how often a shutdown may hand the job back without burning an attempt.
    """

    max_attempts: int = field(default=3, validator=valid_number(1, 10_000))
    backoff: timedelta = field(default=seconds(1), validator=valid_duration(timedelta(0)))
    factor: int = field(default=2, validator=valid_number(1, 100))
    cap: timedelta = field(default=minutes(10), validator=valid_duration(timedelta(0)))
    jitter: int = field(default=25, validator=valid_number(0, 100))
    give_up_on: tuple[str, ...] = field(default=(), converter=_strings)
    max_releases: int = field(default=10, validator=valid_number(0, 10_000))


class Lost(StrEnum):
    """What follows when a worker's lease is lost."""

    RETRY = "retry"
    FAIL = "fail"
    QUARANTINE = "quarantine"


@frozen(kw_only=True)
class OnLost:
    """What follows a lost lease.

    Attributes:
        action: retry the job, fail it, or put it before a person's eyes.
        times: how many losses are followed by a retry; one more is poison: quarantined.
    """

    action: Lost = field(default=Lost.RETRY, converter=Lost)
    times: int = field(default=2, validator=valid_number(0, 10_000))


@frozen(kw_only=True)
class Timing:
    """The durations of one kind of job. Every one is bounded: nothing runs for ever.

    Attributes:
        lease: how long a claim holds without a renewal.
        renewal: how often its worker renews it.
        attempt: the hard timeout of one attempt, counted from the claim.
        cancel_grace: how long a handler may go on after a cancel was requested.
        undo: the hard timeout of one undo, counted from the claim and from each start of an undo.
        stale_after: how long a job may be due and not started; ``None``: for ever.
        deadline: counted from admission: past it no forward work; ``None``: none.
    """

    lease: timedelta = field(default=seconds(30), validator=valid_duration(MOMENT))
    renewal: timedelta = field(default=seconds(10), validator=valid_duration(MOMENT))
    attempt: timedelta = field(default=minutes(15), validator=valid_duration(MOMENT))
    cancel_grace: timedelta = field(default=seconds(30), validator=valid_duration(MOMENT))
    undo: timedelta = field(default=minutes(15), validator=valid_duration(MOMENT))
    stale_after: timedelta | None = field(default=None, validator=valid_duration(MOMENT))
    deadline: timedelta | None = field(default=None, validator=valid_duration(MOMENT))


UNDO_RETRY = Retry(max_attempts=10, cap=hours(1))


@frozen(kw_only=True)
class UndoSpec:
    """How one phase is undone.

    Attributes:
        unknown: the undo can also handle a phase of which nobody knows whether it happened.
        retry: tries, and the waits between them.
    """

    unknown: bool = False
    retry: Retry = UNDO_RETRY


@frozen(kw_only=True)
class PhaseSpec:
    """One step of a job.

    Attributes:
        name: unique within the job.
        undo: how it is undone; ``None``: it needs no undo.
        known_as: its name before a migration gave it this one; empty: it had no other.
    """

    name: str = field(validator=valid_name)
    undo: UndoSpec | None = None
    known_as: str = field(default="", validator=valid_label)

    @property
    def goes_by(self) -> str:
        """The name it had first: whatever it is called, it is the same phase to those it called."""
        return self.known_as or self.name


class DependencyPolicy(StrEnum):
    """What becomes of a job when one that it depends on does not complete."""

    CANCEL = "cancel"
    FAIL = "fail"
    PROCEED = "proceed"


@frozen(kw_only=True)
class Dependency:
    """A job, or a group, that must end before this one starts.

    Attributes:
        parent: its name.
        policy: what follows if it does not complete.
        name: under which the handler finds its result.
    """

    parent: JobId
    policy: DependencyPolicy = field(default=DependencyPolicy.CANCEL, converter=DependencyPolicy)
    name: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class Membership:
    """To which group the job belongs.

    Attributes:
        group_id: the group.
        index: where it stands in it, from 0: no member depends on a later one.
        undoes: it is no member itself, but undoes what the one at ``index`` did.
    """

    group_id: GroupId
    index: int
    undoes: bool = False


class Until(StrEnum):
    """For how long one job stands for all others of its constraint."""

    STARTED = "started"
    ENDED = "ended"
    EXPIRED = "expired"
    FOREVER = "forever"


@frozen(kw_only=True)
class Unique:
    """A constraint: one job stands for all others of this name.

    Attributes:
        name: of the constraint; empty: kind, arguments and lane.
        until: until it has started for the first time; until it has ended; until ``period`` has
            passed since its submission; for ever.
        period: with ``until`` ``expired``.
        replace: a later submission takes the place of a job that has not started yet, which is
            cancelled, unless others wait for it.
        delay: debounce: the job runs this long after the last submission, with ``replace``.
        at_most: but no later than this after the first one.
        since: when the first was submitted of those that the job has replaced, itself included.
    """

    name: str = field(default="", validator=valid_label)
    until: Until = field(default=Until.ENDED, converter=Until)
    period: timedelta | None = field(default=None, validator=valid_duration(MOMENT))
    replace: bool = False
    delay: timedelta | None = field(default=None, validator=valid_duration(MOMENT))
    at_most: timedelta | None = field(default=None, validator=valid_duration(MOMENT))
    since: Instant | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what does not fit together.

        Raises:
            ValueError: it says what is missing.
        """
        if (self.until is Until.EXPIRED) != (self.period is not None):
            raise ValueError("expected a period with until='expired', and only with it")
        if self.delay is not None and not self.replace:
            raise ValueError("expected replace=True with a delay: each submission begins it anew")
        if self.at_most is not None and self.delay is None:
            raise ValueError("expected a delay where at_most bounds it")


class RetryMode(StrEnum):
    """How a person retries an ended job (rule 5 of the lifecycle)."""

    FROM_START = "from_start"
    RESUME = "resume"
    UNDO = "undo"


@frozen(kw_only=True)
class Carried:
    """A phase that a retry takes over from its origin.

    Attributes:
        phase: its name.
        completed: it happened; ``False``: nobody knows whether it did.
        result: what it gave, where it completed.
    """

    phase: str
    completed: bool = True
    result: Blob | None = None


@frozen(kw_only=True)
class Owed:
    """An undo that is to be done.

    Attributes:
        phase: the name of the phase to undo.
        unknown: nobody knows whether the phase happened.
    """

    phase: str
    unknown: bool = False


@frozen(kw_only=True)
class Origin:
    """The ended job that this one retries.

    Attributes:
        job_id: the origin.
        mode: how it is retried.
        root: the job whose idempotency keys the phases go on with.
        settled: phases whose undo a person has settled by hand, left out of the undo.
    """

    job_id: JobId
    mode: RetryMode = field(converter=RetryMode)
    root: JobId
    settled: tuple[str, ...] = ()


def _every(values: Iterable[Dependency]) -> tuple[Dependency, ...]:
    return tuple(values)


def _phases(_: object, attribute: Attribute[Any], value: tuple[PhaseSpec, ...]) -> None:
    if not 1 <= len(value) <= MAX_PHASES:
        raise ValueError(f"expected 1 to {MAX_PHASES} phases, got {len(value)}")
    names = [phase.name for phase in value]
    if len(set(names)) != len(names):
        raise ValueError(f"expected {attribute.name} with different names, got {names}")


def _dependencies(_: object, attribute: Attribute[Any], value: tuple[Dependency, ...]) -> None:
    parents = [dependency.parent for dependency in value]
    if len(parents) > MAX_DEPENDENCIES:
        raise ValueError(f"expected at most {MAX_DEPENDENCIES} dependencies, got {len(parents)}")
    if len(set(parents)) != len(parents):
        raise ValueError(f"expected each job once in {attribute.name}, got {parents}")


@frozen(kw_only=True)
class Spec:
    """Everything a job was admitted with.

    Attributes:
        kind: the name of the definition that can run it.
        definition: the version of that definition, recorded for rule 14 of the lifecycle.
        phases: in the order in which they run.
        lane: the line it stands in.
        priority: higher goes first within the lane.
        run_at: not before; ``None``: at once.
        deadline: no forward work from then on, whatever ``timing.deadline`` says.
        dependencies: the jobs that must end first.
        payload: the reference to its input.
        seed: what jitter is computed from.
        origin: the job that this one retries.
        group: to which group it belongs.
        unique: which constraint it was admitted under.
        external: a queue of the host's own chooses when it runs, and no worker of ours does.
    """

    kind: str = field(validator=valid_name)
    phases: tuple[PhaseSpec, ...] = field(validator=_phases)
    payload: Blob
    definition: str = field(default="1", validator=valid_name)
    lane: Lane = field(factory=Lane)
    priority: int = field(default=0, validator=valid_number(-1_000_000, 1_000_000))
    run_at: Instant | None = field(default=None, converter=optional_instant)
    deadline: Instant | None = field(default=None, converter=optional_instant)
    retry: Retry = field(factory=Retry)
    on_lost: OnLost = field(factory=OnLost)
    timing: Timing = field(factory=Timing)
    dependencies: tuple[Dependency, ...] = field(
        default=(), converter=_every, validator=_dependencies
    )
    seed: int = 0
    origin: Origin | None = None
    group: Membership | None = None
    unique: Unique | None = None
    external: bool = False

    @cached_property
    def by_parent(self) -> Mapping[JobId, Dependency]:
        """Its dependencies, by what it depends on."""
        return {one.parent: one for one in self.dependencies}

    def phase(self, index: int) -> PhaseSpec:
        """The phase at ``index``."""
        return self.phases[index]
