"""The conformance kit: what a store or a clock must do to be one, as tests to inherit.

With no test file at all: ``pytest --parcae-store mypackage:make_store``.
"""

from __future__ import annotations

from parcae_specs.contracts.atomic import Atomic
from parcae_specs.contracts.bus import Bus, EventBusContract
from parcae_specs.contracts.clocks import ClockContract
from parcae_specs.contracts.counting import Counting
from parcae_specs.contracts.desk import Desk
from parcae_specs.contracts.graphs import Graphs
from parcae_specs.contracts.histories import Histories
from parcae_specs.contracts.lasting import Lasting
from parcae_specs.contracts.limits import Limits
from parcae_specs.contracts.outbox import Outbox
from parcae_specs.contracts.reading import Reading
from parcae_specs.contracts.rows import Rows
from parcae_specs.contracts.selections import Selections
from parcae_specs.contracts.senders import WebhookSenderContract
from parcae_specs.contracts.streams import Streams
from parcae_specs.contracts.together import Together
from parcae_specs.contracts.walk import Walk
from parcae_specs.subject import Capability, Subject, found

__all__ = [
    "Capability",
    "ClockContract",
    "EventBusContract",
    "Examples",
    "StoreContract",
    "Subject",
    "WebhookSenderContract",
    "found",
]


class Examples(
    Atomic,
    Rows,
    Selections,
    Limits,
    Graphs,
    Together,
    Streams,
    Reading,
    Bus,
    Lasting,
    Counting,
    Desk,
    Outbox,
):
    """Every numbered requirement of :class:`parcae.ports.Store` and of its bus, by example."""


class StoreContract(Examples, Walk, Histories):
    """The same, and over all small states, orders and histories besides.

    Inherit, and set ``subject``.
    """
