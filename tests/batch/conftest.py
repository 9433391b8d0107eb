"""Studies need what `pip install 'femtms[batch]'` brings."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("distributed") and find_spec("zarr") else ["*"]
