"""The contract of the use cases: an engine on a store, and one on a server, answer alike.

Inherit, and say in ``opened`` how a world is made. Every test asks the engine of that world, and
looks at what has become of it with an engine on the very store.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from parcae_specs.contracts.applying import Applying
from parcae_specs.contracts.working import Working
from parcae_specs.contracts.world import World


class EngineContract(Working, Applying):
    """S4, S17, S18, S24, S25: answers and refusals, one use case after the other."""

    def opened(self, folder: Path) -> AbstractAsyncContextManager[World]:
        """A fresh world, closed at the end of the block."""
        raise NotImplementedError
