"""What stands beside a coil file under the same name: its casing (.stl) and the pulse of its stimulator (.tsv)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from femtms.coil.coil import Coil
from femtms.errors import FemtmsError
from femtms.io.casings import read_casing, write_casing
from femtms.io.files import check_out_file, whole_folder
from femtms.io.waveforms import read_waveform, write_waveform

_DOUBLE = (".nii.gz",)


def stem_of(path: Path) -> str:
    """The name without its suffix: "coil" for "coil.ccd" and for "coil.nii.gz"."""
    double = [suffix for suffix in _DOUBLE if path.name.lower().endswith(suffix)]
    return path.name[: -len(double[0])] if double else path.stem


def with_companions(coil: Coil, path: Path) -> Coil:
    """The coil with the casing and the pulse that stand beside its file, where they do.

    The pulse becomes that of all stimulators.  Raises FemtmsError when a companion is damaged.
    """
    casing, waveform = (path.with_name(stem_of(path) + suffix) for suffix in (".stl", ".tsv"))
    if casing.exists():
        coil = replace(coil, casing=read_casing(casing))
    if waveform.exists():
        pulse = (read_waveform(waveform),)
        coil = replace(coil, stimulators=tuple(replace(s, waveforms=pulse) for s in coil.stimulators))
    return coil


@contextmanager
def written_with_companions(coil: Coil, path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path for the coil's own file; it and its companions appear together or not at all.

    Raises FemtmsError when one of them exists and overwrite is False: one that is there would be read as a part of
    this coil.  Raises it, too, for stimulators with different pulses or several, which the one .tsv cannot hold.
    """
    pulses = {id(waveform): waveform for s in coil.stimulators for waveform in s.waveforms}
    if len(pulses) > 1 or (pulses and not all(s.waveforms for s in coil.stimulators)):
        raise FemtmsError(
            f"{path}: the .tsv beside such a file holds one waveform, which is that of all stimulators; "
            f"coil '{coil.name}' has others: write it as .tcd"
        )
    check_out_file(path, overwrite)
    names = {suffix: stem_of(path) + suffix for suffix in (".stl", ".tsv")}
    with whole_folder(path.parent, (*names.values(), path.name), overwrite, tuple(names.values())) as folder:
        yield folder / path.name
        if coil.casing is not None:
            write_casing(coil.casing, folder / names[".stl"])
        for waveform in pulses.values():
            write_waveform(waveform, folder / names[".tsv"])
