"""The commented example with which a study begins."""

from importlib.resources import files


def example() -> str:
    """Its text, which is a study that runs."""
    return files("femtms.study").joinpath("example.yaml").read_text(encoding="utf-8")
