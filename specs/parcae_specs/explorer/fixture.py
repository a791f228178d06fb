"""The pytest fixture ``parcae_check``, for the tests of an application.

::

    # conftest.py
    pytest_plugins = ["parcae_specs.explorer.fixture"]

    # test_sagas.py
    def test_every_saga_ends_with_nothing_left_undone(parcae_check):
        parcae_check(app.jobs)
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def parcae_check() -> Any:
    """Explores an application's definitions; see :func:`parcae_specs.check.check`."""
    # Late: a plugin that imports what is measured makes the measured coverage of it nothing.
    from parcae_specs.check import check

    return check
