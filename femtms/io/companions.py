"""What stands beside a coil file under the same name: its casing (.stl) and the pulse of its stimulator (.tsv)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from femtms.coil.coil import Coil
from femtms.coil.stimulator import Waveform
from femtms.errors import FemtmsError
from femtms.io.casings import read_casing, write_casing
from femtms.io.files import check_out_file, whole_folder
from femtms.io.waveforms import read_waveform, write_waveform
from femtms.mesh.surface import Surface

log = logging.getLogger("femtms")

_DOUBLE = (".nii.gz",)
_CASING, _PULSE = ".stl", ".tsv"


def stem_of(path: Path) -> str:
    """The name without its suffix: "coil" for "coil.ccd" and for "coil.nii.gz"."""
    double = [suffix for suffix in _DOUBLE if path.name.lower().endswith(suffix)]
    return path.name[: -len(double[0])] if double else path.stem


def with_companions(coil: Coil, path: Path) -> Coil:
    """The coil with the casing and the pulse that stand beside its file, where they do.

    The pulse becomes that of all stimulators.  The field needs neither, so one that cannot be read is left out with a
    warning.
    """
    for _, found in _beside(path):
        if isinstance(found, Surface):
            coil = replace(coil, casing=found)
        elif isinstance(found, Waveform):
            coil = replace(coil, stimulators=tuple(replace(s, waveforms=(found,)) for s in coil.stimulators))
        else:
            log.warning("%s: coil '%s' is used without this file", found, coil.name)
    return coil


def companions(path: Path) -> tuple[Path, ...]:
    """Those of the casing and the pulse that stand beside a .ccd or NIfTI file and are a part of the coil."""
    return tuple(file for file, found in _beside(path) if not isinstance(found, Exception))


def _beside(path: Path) -> Iterator[tuple[Path, Surface | Waveform | Exception]]:
    """The files there are, each with what it holds or why it cannot be read."""
    for suffix, read in ((_CASING, read_casing), (_PULSE, read_waveform)):
        file = path.with_name(stem_of(path) + suffix)
        if file.exists():
            found: Surface | Waveform | Exception
            try:
                found = read(file)
            except (FemtmsError, OSError) as error:
                found = error
            yield file, found


@contextmanager
def written_with_companions(coil: Coil, path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path for the coil's own file; it and its companions appear together or not at all.

    Raises FemtmsError when one of them exists and overwrite is False: one that is there would be read as a part of
    this coil.  Raises it, too, for stimulators with different pulses or several, which the one .tsv cannot hold.
    """
    pulses = {_content(waveform): waveform for s in coil.stimulators for waveform in s.waveforms}
    if len(pulses) > 1 or (pulses and not all(s.waveforms for s in coil.stimulators)):
        raise FemtmsError(
            f"{path}: the .tsv beside such a file holds one waveform, which is that of all stimulators; "
            f"coil '{coil.name}' has others: write it as .tcd"
        )
    check_out_file(path, overwrite)
    names = {suffix: stem_of(path) + suffix for suffix in (_CASING, _PULSE)}
    with whole_folder(path.parent, (*names.values(), path.name), overwrite, tuple(names.values())) as folder:
        yield folder / path.name
        if coil.casing is not None:
            write_casing(coil.casing, folder / names[_CASING])
        for waveform in pulses.values():
            write_waveform(waveform, folder / names[_PULSE])


def _content(waveform: Waveform) -> tuple[str | bytes | None, ...]:
    """What makes two pulses the same; each stimulator of a file has objects of its own."""
    columns = (waveform.time, waveform.signal, waveform.fit)
    return waveform.name, *(None if column is None else column.tobytes() for column in columns)
