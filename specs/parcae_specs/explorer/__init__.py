"""Walks every state of the production kernel: worlds, properties, schedules.

Nothing of the kernel is modelled again here: every step of a world is a call of
``parcae.handle``. What is modelled is the world around it: workers and what they believe, calls
and answers that are lost, late or doubled, crashes, and time.
"""
