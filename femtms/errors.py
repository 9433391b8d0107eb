"""The errors that femtms raises on purpose: one clear sentence each."""


class FemtmsError(ValueError):
    """Bad input or an impossible request; the message says what must be, what came and where."""


class NotConverged(FemtmsError):
    """The linear solver stopped short of the tolerance; no field is returned."""


class OutOfMemory(FemtmsError):
    """There is not enough memory for even one field on this mesh."""
