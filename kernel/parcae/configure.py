"""Setting queues: a command of an operator, as a rule."""

from __future__ import annotations

from collections.abc import Sequence

from parcae.change import Revision, View
from parcae.queues import Queue, QueueCommand, decide, evolve, queue_stream


def configure(view: View, name: str, command: QueueCommand) -> Sequence[Revision]:
    """Rule: set something for a queue; empty: it is so already.

    Raises:
        Rejected: it cannot be set.
    """
    before = view.queues.get(name) or Queue(name=name)
    events = decide(before, command, view.now)
    if not events:
        return ()
    after = before
    for event in events:
        after = evolve(after, event)
    stream = queue_stream(name)
    return (Revision(stream=stream, before=before.version, events=events, after=after),)
