"""What slices are made of: specs with round numbers, and things that have to be reached."""

from __future__ import annotations

from typing import Any

from parcae.commands import Submit
from parcae.events import Event
from parcae.spec import PhaseSpec, Retry, Spec, Timing, UndoSpec
from parcae.values import Cause, Status, blob, seconds
from parcae_specs.explorer.cell import Cell
from parcae_specs.explorer.model import Sometimes

PAYLOAD = blob("payload", b"1")

BRISK = Timing(
    lease=seconds(2),
    renewal=seconds(1),
    attempt=seconds(4),
    cancel_grace=seconds(1),
    undo=seconds(4),
)
"""Short durations: a world tells one second from the next, and not more."""

TWICE = Retry(max_attempts=2, backoff=seconds(1), jitter=0, max_releases=1)
ONCE = Retry(max_attempts=1, jitter=0, max_releases=0)
UNDO_TWICE = Retry(max_attempts=2, backoff=seconds(1), jitter=0, max_releases=1)


def phase(name: str) -> PhaseSpec:
    """``pack``; ``pack~`` has an undo; ``pack?`` one that can handle the unknown."""
    if name.endswith("~"):
        return PhaseSpec(name=name[:-1], undo=UndoSpec(retry=UNDO_TWICE))
    if name.endswith("?"):
        return PhaseSpec(name=name[:-1], undo=UndoSpec(unknown=True, retry=UNDO_TWICE))
    return PhaseSpec(name=name)


def job(*phases: str, **changes: Any) -> Submit:
    """The admission of a job of these phases."""
    given: dict[str, Any] = {"retry": TWICE, "timing": BRISK, **changes}
    spec = Spec(kind="demo", phases=tuple(map(phase, phases)), payload=PAYLOAD, **given)
    return Submit(spec=spec)


def ends(status: Status, cause: Cause | None = None) -> Sometimes:
    """Some job ends so."""

    def seen(cell: Cell, events: tuple[Event, ...]) -> bool:
        if not events or cell.stored is None or cell.stored.job.status is not status:
            return False
        return cause is None or cell.stored.job.state.cause is cause  # type: ignore[union-attr]

    why = f": {cause}" if cause is not None else ""
    return Sometimes(name=f"a job ends {status}{why}", seen=seen)


def happens(kind: type[Event], /, **fields: Any) -> Sometimes:
    """Some event of this kind, with these fields, happens."""

    def seen(_: Cell, events: tuple[Event, ...]) -> bool:
        return any(type(one) is kind and _like(one, fields) for one in events)

    words = ", ".join(f"{name}={value}" for name, value in fields.items())
    return Sometimes(name=f"{kind.__name__}({words}) happens", seen=seen)


def _like(event: Event, fields: dict[str, Any]) -> bool:
    return all(
        value(getattr(event, name)) if callable(value) else getattr(event, name) == value
        for name, value in fields.items()
    )
