"""What needs more than the core installation."""

from collections.abc import Sequence
from importlib.util import find_spec

from femtms.errors import FemtmsError

BATCH = ("dask", "distributed", "cryptography", "xarray", "zarr", "pyarrow", "pandas", "yaml")


def need_view(what: str) -> None:
    """Raise FemtmsError, with what to install, unless pyvista is there."""
    if find_spec("pyvista") is None:
        raise FemtmsError(f"{what} needs pyvista: pip install 'femtms[view]'")


def need_batch(what: str, names: Sequence[str] = BATCH) -> None:
    """Raise FemtmsError, with what to install, unless the libraries that `what` needs are there."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise FemtmsError(f"{what} needs {', '.join(missing)}: pip install 'femtms[batch]'")
