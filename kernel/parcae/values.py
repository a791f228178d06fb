"""The small values that everything else is made of: names, instants, bounds, blobs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

from attrs import Attribute, field, frozen

JobId = NewType("JobId", str)
WorkerId = NewType("WorkerId", str)
GroupId = NewType("GroupId", str)
"""``group/`` and a UUIDv7."""
StreamId = NewType("StreamId", str)
"""Whose history: a job's id, ``queue/NAME``, a group's id or ``schedule/NAME``."""
Token = NewType("Token", int)
"""A fencing token: counts the claims of one job, from 1. Greater is later."""
Version = NewType("Version", int)
"""How many events a job has, from 1."""
Position = NewType("Position", int)
"""Where an event stands in the log of its store, from 1. Gaps are lawful."""
Place = NewType("Place", int)
"""A place in line. Lower goes first; every one that a store gives is greater than all before."""

Instant = datetime
"""An aware datetime in UTC."""

MAX_NAME = 200
MAX_MESSAGE = 2_000
MAX_TRACEBACK = 16_000
MAX_NOTE = 4_000
MAX_BLOB = 1_048_576
"""Payloads and results: bytes of JSON."""
MAX_PHASES = 1_000
MAX_DEPENDENCIES = 10_000
MAX_DURATION = timedelta(days=3_650)
FIRST_INSTANT = datetime(1, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(9_000, 1, 1, tzinfo=UTC)
"""Arithmetic on any earlier instant with any lawful duration cannot overflow."""

CUT = "… (cut)"


def cut(text: str, limit: int) -> str:
    """``text``, no longer than ``limit`` characters; what is cut says so."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def instant(value: datetime) -> Instant:
    """``value`` in UTC.

    Raises:
        ValueError: for a naive datetime, or one before the year 1 or after 8999 in UTC.
    """
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(f"expected an aware datetime (with a time zone), got the naive {value!r}")
    if not FIRST_INSTANT <= value < LAST_INSTANT:
        raise ValueError(f"expected an instant in the years 1 to 8999, got {value!r}")
    return value.astimezone(UTC)


def optional_instant(value: datetime | None) -> Instant | None:
    """Like :func:`instant`, ``None`` staying ``None``."""
    return None if value is None else instant(value)


def seconds(value: float) -> timedelta:
    """A duration of ``value`` seconds."""
    return timedelta(seconds=value)


def minutes(value: float) -> timedelta:
    """A duration of ``value`` minutes."""
    return timedelta(minutes=value)


def hours(value: float) -> timedelta:
    """A duration of ``value`` hours."""
    return timedelta(hours=value)


def _type_error(expected: str, name: str, value: object) -> TypeError:
    return TypeError(f"expected {expected} for {name}, got {value!r}")


def valid_name(_: object, attribute: Attribute[Any], value: Any) -> None:
    """Validates a name: a non-empty printable string of at most ``MAX_NAME`` characters."""
    if not isinstance(value, str):
        raise _type_error("a string", attribute.name, value)
    if not value or len(value) > MAX_NAME or not value.isprintable():
        raise ValueError(
            f"expected 1 to {MAX_NAME} printable characters for {attribute.name}, got {value!r}"
        )


def valid_label(instance: object, attribute: Attribute[Any], value: Any) -> None:
    """Validates a name that may be empty."""
    if value != "":
        valid_name(instance, attribute, value)


def valid_duration(least: timedelta) -> Callable[[object, Attribute[Any], Any], None]:
    """A validator for a duration between ``least`` and ``MAX_DURATION``; ``None`` passes."""

    def check(_: object, attribute: Attribute[Any], value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, timedelta):
            raise _type_error("a timedelta (such as minutes(5))", attribute.name, value)
        if not least <= value <= MAX_DURATION:
            raise ValueError(
                f"expected {attribute.name} between {least} and {MAX_DURATION}, got {value}"
            )

    return check


def valid_number(least: int, most: int) -> Callable[[object, Attribute[int], Any], None]:
    """A validator for a whole number between two bounds, both lawful."""

    def check(_: object, attribute: Attribute[int], value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _type_error("a whole number", attribute.name, value)
        if not least <= value <= most:
            raise ValueError(f"expected {attribute.name} from {least} to {most}, got {value}")

    return check


class Status(StrEnum):
    """Where a job stands. The last five are terminal: the outcome never changes again."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    COMPENSATED = "compensated"
    QUARANTINED = "quarantined"

    @property
    def is_terminal(self) -> bool:
        """Whether the outcome can never change again."""
        return self in TERMINAL


TERMINAL = frozenset(
    (
        Status.COMPLETED,
        Status.FAILED,
        Status.CANCELLED,
        Status.COMPENSATED,
        Status.QUARANTINED,
    )
)


class Cause(StrEnum):
    """Why a job ended, or why it began to undo what it did. A closed list."""

    HANDLER_ERROR = "handler error"
    ATTEMPTS_EXHAUSTED = "attempts exhausted"
    ATTEMPT_TIMEOUT = "attempt timeout"
    DEADLINE = "deadline"
    LEASE_LOST = "lease lost"
    STALE_IN_QUEUE = "stale in queue"
    DEPENDENCY_FAILED = "dependency failed"
    CANCELLED = "cancelled by request"
    FORCED_CANCEL = "forced cancel"
    COMPENSATION_FAILED = "compensation failed"
    OUTCOME_UNKNOWN = "outcome unknown"
    POISON = "poison"
    UNDO_REQUESTED = "undo requested"
    REPORTED = "reported by the host"
    DEFINITION_CHANGED = "definition changed"


def _message(text: object) -> str:
    return cut(str(text), MAX_MESSAGE)


def _traceback(text: object) -> str:
    return cut(str(text), MAX_TRACEBACK)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)[:50]


@frozen(kw_only=True)
class Error:
    """What a handler raised, bounded.

    Attributes:
        type: the exception's class, as ``module.qualname``.
        message: its text, cut at ``MAX_MESSAGE`` characters.
        traceback: for diagnosis only, cut at ``MAX_TRACEBACK`` characters.
        mro: the names of the class and its bases, which ``Retry.give_up_on`` is compared with.
        permanent: the handler itself said that a retry is of no use.
    """

    type: str = field(validator=valid_name)
    message: str = field(default="", converter=_message)
    traceback: str = field(default="", converter=_traceback)
    mro: tuple[str, ...] = field(default=(), converter=_names)
    permanent: bool = False


@frozen
class Blob:
    """A payload or result by reference: its bytes lie beside the control state.

    Attributes:
        name: unique within the job, such as ``payload`` or ``result/pack``.
        size: in bytes.
        digest: SHA-256, in hexadecimal.
    """

    name: str
    size: int
    digest: str


def blob(name: str, data: bytes) -> Blob:
    """The reference to ``data`` under ``name``."""
    return Blob(name, len(data), hashlib.sha256(data).hexdigest())


@frozen
class Lane:
    """A line of jobs: FIFO within a priority, one concurrency limit.

    Attributes:
        queue: the queue's name.
        key: what the limit is counted by inside the queue (a tenant, a host), or empty.
    """

    queue: str = field(default="default", validator=valid_name)
    key: str = field(default="", validator=valid_label)


def mix(*parts: object) -> int:
    """A number of 128 bits that depends on all ``parts`` and looks random (BLAKE2b).

    Pure, and the same on every Python: what the kernel uses where others would draw lots.
    """
    text = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")


def job_id(now: Instant, seed: int) -> JobId:
    """A UUIDv7 (RFC 9562, section 5.7) of the milliseconds of ``now`` and 74 bits of ``seed``."""
    milliseconds = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    low = seed & ((1 << 74) - 1)
    bits = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | (low >> 62) << 64
    bits |= 0b10 << 62 | low & ((1 << 62) - 1)
    digits = f"{bits:032x}"
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return JobId("-".join(parts))
