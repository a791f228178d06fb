"""The slices, each walked to its end in the gate."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from parcae import deliveries as d
from parcae_specs.explorer.outgoing.model import (
    ENDS,
    IN_ORDER,
    SUBMITTED,
    Mishap,
    Outgoing,
)

_DEEP = (
    Outgoing(
        name="webhooks: crash",
        about="one delivery, two senders that die, sleep and hear nothing",
        subscription=SUBMITTED,
        mishaps={
            Mishap.CRASH: 2,
            Mishap.LATE: 1,
            Mishap.UNHEARD: 1,
            Mishap.LOST: 1,
            Mishap.REFUSE: 1,
        },
        sometimes=("delivered", "lost", "lateattemptrecorded", "deleted"),
    ),
    Outgoing(
        name="webhooks: replay",
        about="one delivery that somebody replays, whatever became of it",
        subscription=SUBMITTED,
        mishaps={Mishap.REPLAY: 2, Mishap.CRASH: 1, Mishap.LATE: 1, Mishap.RELEASE: 1},
        sometimes=("delivered", "replayed", "released", "lost", "deleted"),
    ),
    Outgoing(
        name="webhooks: seal",
        about="two deliveries of one commit, and a seal at any moment",
        mishaps={Mishap.SEAL: 2, Mishap.CRASH: 1, Mishap.UNHEARD: 1, Mishap.LATE: 1},
        sometimes=("delivered", "sealed", "unsealed", "lost"),
    ),
    Outgoing(
        name="webhooks: in order",
        about="three events of a job, one after the other",
        subscription=IN_ORDER,
        events=2,
        senders=1,
        mishaps={Mishap.REFUSE: 1, Mishap.CRASH: 1, Mishap.REPLAY: 1, Mishap.LATE: 1},
        sometimes=("delivered", "waits for the one in front", "failed", "lost"),
    ),
    Outgoing(
        name="webhooks: retention",
        about="a job is deleted while what it owes is being sent",
        subscription=ENDS,
        events=3,
        senders=1,
        mishaps={Mishap.REFUSE: 1, Mishap.CRASH: 1, Mishap.REPLAY: 1, Mishap.LATE: 1},
        sometimes=("delivered", "deleted", "failed", "lost"),
    ),
    Outgoing(
        name="webhooks: removed",
        about="a subscription is disabled, removed and made again while something is sent",
        subscription=SUBMITTED,
        mishaps={
            Mishap.TOGGLE: 1,
            Mishap.GONE: 1,
            Mishap.REMOVE: 1,
            Mishap.AGAIN: 1,
            Mishap.CRASH: 1,
            Mishap.LATE: 1,
        },
        sometimes=("delivered", "disabled", "enabled", "removed", "dead: subscription removed"),
    ),
    Outgoing(
        name="webhooks: tired",
        about="a delivery with two tries left",
        subscription=SUBMITTED,
        tries=d.TRIES - 2,
        mishaps={
            Mishap.REFUSE: 3,
            Mishap.CRASH: 2,
            Mishap.LATE: 1,
            Mishap.GONE: 1,
            Mishap.RELEASE: 1,
            Mishap.REPLAY: 1,
        },
        sometimes=("delivered", "dead: attempts exhausted", "replayed", "disabled"),
    ),
    Outgoing(
        name="webhooks: clocks",
        about="one delivery under a clock that is set back",
        subscription=SUBMITTED,
        mishaps={Mishap.BACK: 2, Mishap.CRASH: 1, Mishap.LATE: 1, Mishap.REFUSE: 1},
        sometimes=("delivered", "lost", "failed", "deleted"),
    ),
)

_LEAVE_OUT: Mapping[str, Mapping[Mishap, int]] = {
    "webhooks: crash": {Mishap.CRASH: 1, Mishap.REFUSE: 0},
    "webhooks: replay": {Mishap.REPLAY: 1},
    "webhooks: seal": {Mishap.SEAL: 1, Mishap.LATE: 0},
    "webhooks: in order": {Mishap.REPLAY: 0},
    "webhooks: retention": {Mishap.REPLAY: 0},
    "webhooks: removed": {Mishap.LATE: 0},
    "webhooks: tired": {Mishap.REFUSE: 2, Mishap.CRASH: 1, Mishap.LATE: 0},
}
"""What the gate has no time for; the deep walk has."""

DEEP: Mapping[str, Outgoing] = {one.name: one for one in _DEEP}
SLICES: Mapping[str, Outgoing] = {
    name: evolve(one, mishaps={**one.mishaps, **_LEAVE_OUT.get(one.name, {})})
    for name, one in DEEP.items()
}
