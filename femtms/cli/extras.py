"""Commands that need more than the core installation."""

from importlib.util import find_spec

from femtms.errors import FemtmsError

_BATCH = ("dask", "distributed", "xarray", "zarr", "pyarrow", "pandas", "yaml")


def need_batch(command: str) -> None:
    """Raise FemtmsError, with what to install, unless the libraries for studies are there."""
    missing = [name for name in _BATCH if find_spec(name) is None]
    if missing:
        raise FemtmsError(f"{command} needs {', '.join(missing)}: pip install 'femtms[batch]'")
