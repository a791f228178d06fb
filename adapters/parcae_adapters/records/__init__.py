"""What there is as plain values: for ``--json`` and for the wire. Fields are added, not changed."""
