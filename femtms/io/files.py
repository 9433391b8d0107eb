"""Files appear whole or not at all, and nothing is overwritten unasked."""

import codecs
import hashlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from femtms.errors import FemtmsError
from femtms.plausible import FROM_ORIGIN, HEAD


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_provenance(path: Path) -> dict[str, str]:
    """Full path and sha256 of a file, for reports."""
    return {"path": str(path.resolve()), "sha256": sha256_of(path)}


def text_of(path: Path, must: str) -> str:
    """A text file in UTF-8, without the mark that some programs put first.

    Raises FemtmsError with what it `must` be, and the first byte that is none of text.
    """
    check_not_utf16(path, must)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FemtmsError(f"{path}: {must}; byte {error.start} is not") from error


def text_lines(path: Path, must: str) -> list[str]:
    """The lines of a text file; raises FemtmsError as `text_of` does."""
    return text_of(path, must).splitlines()


def is_number(word: str) -> bool:
    """Whether a word in a text file is a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def check_not_utf16(path: Path, must: str) -> None:
    """Raise FemtmsError for a file that begins with the mark of UTF-16, as Windows writes "Unicode" text."""
    with open(path, "rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise FemtmsError(f"{path}: {must} in UTF-8; it is in UTF-16: save it in UTF-8")


def existing_file(path: str | Path) -> Path:
    """The path, or a FemtmsError that says what is wrong with it."""
    if not isinstance(path, str | os.PathLike):
        raise FemtmsError(f"the path of a file must be text or a Path; got {type(path).__name__}")
    path = Path(path)
    if path.is_dir():
        raise FemtmsError(f"{path}: must be a file; it is a folder")
    if not path.exists():
        raise FemtmsError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise FemtmsError(f"{path}: the file is empty")
    return path


@contextmanager
def errors_at(where: str) -> Iterator[None]:
    """Errors of the block begin with where they are, in a file or of it."""
    try:
        yield
    except FemtmsError as error:
        raise FemtmsError(f"{where}: {error}") from error


_CUDA_RESERVES = 2**36  # bytes of address space that no process has without a GPU in use


@contextmanager
def bounded_memory(path: Path) -> Iterator[None]:
    """Inside the block, MemoryError for what no honest file of this size needs.

    A damaged count in a small file would otherwise ask for terabytes and bring the machine down.  The limit is on the
    address space of the whole process, so it is set only where nobody else needs memory meanwhile: on Linux, without
    other Python threads, and without CUDA, which reserves address space by the terabyte.
    """
    if not sys.platform.startswith("linux") or _others_are_running():
        yield
        return
    import resource

    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    if in_use > _CUDA_RESERVES:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = in_use + 2**30 + 64 * path.stat().st_size  # numbers as text become Python objects on their way
    if any(bound != resource.RLIM_INFINITY and bound <= limit for bound in (soft, hard)):
        yield  # a tighter limit holds already
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _others_are_running() -> bool:
    """Whether threads that may need memory run beside this one; that which draws the progress display does not."""
    others = (t for t in threading.enumerate() if t is not threading.current_thread())
    return any(not type(t).__module__.startswith("rich.") for t in others)


def check_size(low_mm: np.ndarray, high_mm: np.ndarray, path: Path) -> None:
    """Raise FemtmsError for a head whose extent, or whose place, is that of none in mm; warn of an odd one.

    low_mm, high_mm  (3,) corners of the box around it
    """
    HEAD.checked(float((high_mm - low_mm).max()), str(path))
    FROM_ORIGIN.checked(float(np.linalg.norm((low_mm + high_mm) / 2)), str(path))


@contextmanager
def whole_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path beside `path` with its suffixes; move it there when the block ends well."""
    check_out_file(path, overwrite)
    with _errors_name(path), _temporary_folder(path.parent) as folder:
        yield folder / path.name
        os.replace(folder / path.name, path)


@contextmanager
def whole_folder(out: Path, names: tuple[str, ...], overwrite: bool, optional: tuple[str, ...] = ()) -> Iterator[Path]:
    """Give a temporary folder for files of the given names; move them into `out` when the block ends well.

    The last name is the one that marks a result as complete: it is taken away first and put there last.  Those that
    are `optional` need not be written; what `out` has of them goes away all the same, because it would be taken for a
    part of the new result.  Other files in `out` are left alone.  When the block fails, everything is as it was before.
    """
    check_out(out, names, overwrite)
    with (
        _errors_name(out),
        made_folders(out.parent),
        _temporary_folder(out if out.exists() else out.parent) as folder,
    ):
        yield folder
        missing = [name for name in names if name not in optional and not (folder / name).exists()]
        if missing:
            raise AssertionError(f"results that were never written: {missing}")
        if not out.exists():
            os.rename(folder, out)
            return
        with _locked(out):
            check_out(out, names, overwrite)  # somebody may have written there while we computed
            exchange(folder, out, names)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time, where there are locks: two runs that end together must not mix their files."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have none
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def only_one(lock: Path, busy: str) -> Iterator[None]:
    """This process alone, where there are locks; FemtmsError with the sentence `busy` while another is in such a block.

    The system gives the lock back when a process is killed; the file that is then left means nothing.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    tries = 3  # `is_held` looks by holding it for a moment
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            tries -= 1
            if not tries:
                raise FemtmsError(busy) from None
            time.sleep(0.05)
            continue
        except OSError:  # some network file systems have none
            break
        if lock.exists() and os.path.samestat(os.fstat(handle), os.stat(lock)):
            break
        os.close(handle)  # somebody took the file away between our two calls
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def is_held(lock: Path) -> bool | None:
    """Whether a process is in an `only_one` block of this lock; None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        handle = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # some network file systems have none
        return None
    finally:
        os.close(handle)
    return False


def on_disk(path: Path) -> None:
    """Wait until a file or a folder is on the disk, as far as the system can tell."""
    with suppress(OSError):  # some file systems cannot do that for folders
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def exchange(folder: Path, out: Path, names: tuple[str, ...]) -> None:
    """Move what `folder` has of the names to `out`, in place of all that `out` had of them.

    When a move fails, everything goes back to where it was.
    """
    with _temporary_folder(out) as aside:
        placed: list[Path] = []
        try:
            for name in reversed(names):
                if os.path.lexists(out / name):
                    os.replace(out / name, aside / name)
            for name in filter(lambda name: os.path.lexists(folder / name), names):
                placed.append(out / name)
                os.replace(folder / name, out / name)
        except BaseException:
            for path in placed:
                if os.path.lexists(path):
                    os.replace(path, folder / path.name)
            for path in aside.iterdir():
                os.replace(path, out / path.name)
            raise


def check_out_file(path: Path, overwrite: bool) -> None:
    """Raise FemtmsError when `path` cannot be written, or exists and overwrite is False."""
    if path.is_dir():
        raise FemtmsError(f"{path}: must be the name of a file; it is a folder")
    if path.exists() and not overwrite:
        raise FemtmsError(f"{path}: exists already; choose another name or use --overwrite (overwrite=True)")
    _check_folder(path.parent)


def check_out(out: Path, names: tuple[str, ...], overwrite: bool) -> None:
    """Raise FemtmsError when `out` cannot take results, or holds some and overwrite is False."""
    if os.path.lexists(out) and not out.is_dir():
        raise FemtmsError(f"{out}: the output must be a folder; it is a {'file' if out.exists() else 'broken link'}")
    folders = [name for name in names if (out / name).is_dir()]
    if folders:
        raise FemtmsError(f"{out / folders[0]}: must be the name of a file; it is a folder")
    present = [name for name in names if (out / name).exists()]
    if present and not overwrite:
        raise FemtmsError(
            f"{out}: holds a result already ({', '.join(present)}); choose another folder or use --overwrite"
        )
    folder = out
    while not folder.exists():
        folder = folder.parent
    _check_folder(folder)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise FemtmsError(
            f"{folder}: must be a folder to write into; " + ("it is a file" if folder.exists() else "there is none")
        )
    try:
        # permission bits do not tell: a full or read-only file system and /proc have them too
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FemtmsError(f"{folder}: the folder must be writable; it is not ({error.strerror})") from error


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Errors of the operating system name the path that the user gave, not a temporary one or none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


@contextmanager
def made_folders(folder: Path) -> Iterator[None]:
    """Make a folder and those above it where they are missing; take away again what was made when the block fails."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise


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
