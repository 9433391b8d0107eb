"""Ctrl-C, and SIGTERM of a batch system."""


class Interrupted(Exception):
    """A command was interrupted that has something to say about it."""
