"""Short studies for the tests."""

SMALL = """\
heads: colin27
coils: figure8-70mm
places: C3
"""


def with_lines(*lines):
    """SMALL without the keys that the lines have, and the lines after it."""
    keys = {line.split(":")[0] for line in lines if not line.startswith((" ", "-"))}
    kept = [line for line in SMALL.splitlines() if line.split(":")[0] not in keys]
    return "\n".join([*kept, *lines]) + "\n"
