"""``python -m parcae_specs.bugs > specs/known-bugs.md``: plants every bug, and hunts it."""

from __future__ import annotations

import sys

from parcae_specs.bugs.page import page

sys.stdout.write(page())
