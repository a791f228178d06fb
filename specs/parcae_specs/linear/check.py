"""Whether a strictly serialisable store can have written a history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import frozen

from parcae_specs.linear import realtime
from parcae_specs.linear.claims import committed, whole_log
from parcae_specs.linear.history import Ended, History
from parcae_specs.linear.replay import replay


@frozen(kw_only=True)
class Verdict:
    """What was checked; nothing was wrong.

    Attributes:
        operations: how many.
        ended: how many of them ended how.
        came: how many of the unknown ones had been committed.
        events: how many events they wrote.
        asked: how many of each kind.
    """

    operations: int
    ended: Mapping[Ended, int]
    came: int
    events: int
    asked: Mapping[str, int]


def check(history: History) -> Verdict:
    """Hold a history to strict serialisability, in O(n log n).

    Raises:
        Wrong: with the guarantee that it breaks.
    """
    log = whole_log(history)
    writers = committed(history, log)
    realtime.check(history, log, writers)
    replay(history, writers)
    operations = history.operations
    return Verdict(
        operations=len(operations),
        ended=Counter(one.ended for one in operations),
        came=sum(one.ended is Ended.UNKNOWN for one in writers),
        events=len(history.followed),
        asked=Counter(one.ask.what if one.ask else "read" for one in operations),
    )
