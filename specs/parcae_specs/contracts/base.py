"""What every contract has in common: its subject, and the kit that its tests work with."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from parcae_specs.contracts.kit import Kit
from parcae_specs.subject import Subject


class Contract:
    """Inherit from a contract below, and name the store in ``subject``."""

    subject: ClassVar[Subject]

    @pytest.fixture
    def kit(self, tmp_path: Path) -> Kit:
        """Fresh for each test."""
        return Kit(self.subject, tmp_path)
