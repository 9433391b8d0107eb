"""Files appear whole or not at all, and nothing is overwritten unasked."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from femtms.errors import FemtmsError


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def existing_file(path: str | Path) -> Path:
    """The path, or a FemtmsError that says what is wrong with it."""
    path = Path(path)
    if path.is_dir():
        raise FemtmsError(f"{path}: must be a file; it is a folder")
    if not path.exists():
        raise FemtmsError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise FemtmsError(f"{path}: the file is empty")
    return path


@contextmanager
def whole_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path beside `path` with its suffixes; move it there when the block ends well."""
    check_out_file(path, overwrite)
    with _temporary_folder(path.parent) as folder:
        yield folder / path.name
        os.replace(folder / path.name, path)


@contextmanager
def whole_folder(out: Path, names: tuple[str, ...], overwrite: bool) -> Iterator[Path]:
    """Give a temporary folder for files of the given names; move them into `out` when the block ends well.

    The last name is the one that marks a result as complete: it is taken away first and put there last.  Other files
    in `out` are left alone.
    """
    check_out(out, names, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    with _temporary_folder(out if out.exists() else out.parent) as folder:
        yield folder
        missing = [name for name in names if not (folder / name).exists()]
        if missing:
            raise AssertionError(f"results that were never written: {missing}")
        if not out.exists():
            os.rename(folder, out)
            return
        check_out(out, names, overwrite)  # somebody may have written there while we computed
        (out / names[-1]).unlink(missing_ok=True)
        for name in names:
            os.replace(folder / name, out / name)


def check_out_file(path: Path, overwrite: bool) -> None:
    """Raise FemtmsError when `path` cannot be written, or exists and overwrite is False."""
    if path.is_dir():
        raise FemtmsError(f"{path}: must be the name of a file; it is a folder")
    if path.exists() and not overwrite:
        raise FemtmsError(f"{path}: exists already; choose another name or use --overwrite (overwrite=True)")
    _check_folder(path.parent)


def check_out(out: Path, names: tuple[str, ...], overwrite: bool) -> None:
    """Raise FemtmsError when `out` cannot take results, or holds some and overwrite is False."""
    if out.exists() and not out.is_dir():
        raise FemtmsError(f"{out}: the output must be a folder; it is a file")
    present = [name for name in names if (out / name).exists()]
    if present and not overwrite:
        raise FemtmsError(f"{out}: holds a result already ({', '.join(present)}); choose another folder or use --overwrite")
    folder = out
    while not folder.exists():
        folder = folder.parent
    _check_folder(folder)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise FemtmsError(f"{folder}: must be a folder to write into; " + ("it is a file" if folder.exists() else "there is none"))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FemtmsError(f"{folder}: the folder must be writable; it is not")


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, on the same file system as what it will become; gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix=".femtms-", dir=parent))
    folder.chmod(0o777 & ~_umask())  # mkdtemp makes private folders
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
