"""The contract as pytest collects it where ``--parcae-store`` is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcae_specs.contracts import StoreContract, found
from parcae_specs.contracts.kit import Kit


class TestStore(StoreContract):
    """The store that was named."""

    @pytest.fixture
    def kit(self, request: pytest.FixtureRequest, tmp_path: Path) -> Kit:
        """Of the store that was named."""
        return Kit(found(request.config.getoption("parcae_store")), tmp_path)
