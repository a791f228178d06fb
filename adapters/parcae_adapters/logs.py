"""Structured logs: one JSON object a line, with the job, the attempt and the token it is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from parcae.projection import Fact

FIELDS = ("job_id", "attempt", "token")
"""What a line says of the job in hand; ``None`` where it is about none."""

_IN_HAND: ContextVar[Mapping[str, object] | None] = ContextVar("parcae_in_hand", default=None)


@contextmanager
def in_hand(**fields: object) -> Iterator[None]:
    """What is logged within the block, by handlers too, is about this job."""
    token = _IN_HAND.set(fields)
    try:
        yield
    finally:
        _IN_HAND.reset(token)


log = logging.getLogger("parcae.facts")


def log_fact(fact: Fact) -> None:
    """Log one fact: hand this to :meth:`parcae_adapters.facts.Facts.catch_up`."""
    log.info(
        "%s",
        fact.name,
        extra={
            "job_id": fact.stream,
            "attempt": fact.attempt,
            "token": fact.token,
            "more": {
                "happened_at": fact.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "worker": fact.worker,
                "phase": fact.phase,
                **fact.labels,
                "seconds": {one.span: one.duration.total_seconds() for one in fact.intervals},
            },
        },
    )


class JsonFormatter(logging.Formatter):
    """A line of JSON for each record. Fields are added, not changed."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, plain ASCII, whatever the message holds."""
        at = datetime.fromtimestamp(record.created, UTC)
        known = _IN_HAND.get() or {}
        line: dict[str, object] = {
            "at": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # What the record itself says is nearer than what its task has in hand.
        line |= {name: getattr(record, name, known.get(name)) for name in FIELDS}
        more = getattr(record, "more", None)
        if isinstance(more, dict):
            line |= more
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
