"""The routes, a module for each kind of thing. Each has its ``ROUTES``, a table.

A module that needs something that lives as long as the server has a function ``setup(app)`` too.
"""
