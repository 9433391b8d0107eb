"""Ctrl-C, SIGTERM of a batch system, SIGHUP of a connection that broke."""


class Interrupted(Exception):
    """A command was interrupted that has something to say about it."""
