"""Files appear whole or not at all, and nothing is overwritten unasked."""

import codecs
import errno
import hashlib
import os
import shutil
import socket
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path

import numpy as np

from femtms.errors import FemtmsError
from femtms.plausible import FROM_ORIGIN, HEAD

try:
    import fcntl
except ImportError:  # no system of the kind that has such locks
    fcntl = None  # type: ignore[assignment]


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
    with (
        errors_name(path),
        temporary_folder(path.parent) as folder,
        errors_name(path),
    ):  # before the disk has room again
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
        errors_name(out),
        made_folders(out.parent),
        temporary_folder(out if out.exists() else out.parent) as folder,
        errors_name(out),  # before the disk has room again
    ):
        remove_abandoned(out.parent)  # where those are that were to become `out`
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
    handle = _lock(folder, wait=True)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def only_one(lock: Path, busy: str) -> Iterator[None]:
    """This process alone, where there are locks; FemtmsError with the sentence `busy` while another is in such a block.

    The system gives the lock back when a process is killed; the file that is then left means nothing.
    """
    if fcntl is None:
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
    if fcntl is None:
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
    """Wait until a file or a folder is on the disk, as far as the system can tell.  Raises OSError where it is not."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno in {*_FULL, errno.EIO}:
            raise
        # some file systems cannot do that for folders


def exchange(folder: Path, out: Path, names: tuple[str, ...]) -> None:
    """Move what `folder` has of the names to `out`, in place of all that `out` had of them.

    When a move fails, everything goes back to where it was.
    """
    with temporary_folder(out) as aside:
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


# What marks a complete result, or one that is under way -> the command that makes it.
_MARKS = {
    "summary.json": "femtms simulate",
    "sweep.json": "femtms sweep",
    "sweep.partial": "femtms sweep",
    "comparison.json": "femtms compare",
    "study.json": "femtms run",
}


def check_out_file(path: Path, overwrite: bool) -> None:
    """Raise FemtmsError when `path` cannot be written, or exists and overwrite is False."""
    _check_length(path)
    if path.is_dir():
        raise FemtmsError(f"{path}: must be the name of a file; it is a folder")
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise FemtmsError(f"{path}: must be the name of a file; it is a device or a pipe")
    if path.exists() and not overwrite:
        raise FemtmsError(f"{path}: exists already; choose another name or use --overwrite (overwrite=True)")
    _try(path.parent, path)


def check_out(out: Path, names: tuple[str, ...], overwrite: bool) -> None:
    """Raise FemtmsError when `out` cannot take results, or holds some and overwrite is False.

    names  of the results.  Where one of them marks a result as complete, results of another kind must not be there
    """
    _check_length(out)
    if os.path.lexists(out) and not out.is_dir():
        raise FemtmsError(f"{out}: the output must be a folder; it is a {'file' if out.exists() else 'broken link'}")
    folders = [name for name in names if (out / name).is_dir()]
    if folders:
        raise FemtmsError(f"{out / folders[0]}: must be the name of a file; it is a folder")
    own = {_MARKS[name] for name in names if name in _MARKS}
    others = [name for name, kind in _MARKS.items() if own and kind not in own and os.path.lexists(out / name)]
    if others:
        raise FemtmsError(
            f"{out}: holds a result of {_MARKS[others[0]]} ({others[0]}), and a folder is for results of one kind; "
            "choose another folder"
        )
    present = [name for name in names if (out / name).exists()]
    if present and not overwrite:
        raise FemtmsError(
            f"{out}: holds a result already ({', '.join(present)}); choose another folder or use --overwrite"
        )
    folder = out
    while not folder.exists():
        folder = folder.parent
    _try(folder, out, is_folder=True)


def _check_length(path: Path) -> None:
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise FemtmsError(f"{path}: {reason_of(error)}") from error


_BLOCK = 4096  # bytes: the least that a file takes on the disk


def _try(folder: Path, path: Path, is_folder: bool = False) -> None:
    """Raise FemtmsError unless `path` could be written, with the folders that are missing between it and `folder`.

    It is tried aside, under the same names: permission bits do not tell, as a full or read-only file system and /proc
    have them too.
    """
    if not folder.is_dir():
        raise FemtmsError(
            f"{folder}: must be a folder to write into; " + ("it is a file" if folder.exists() else "there is none")
        )
    try:
        with temporary_folder(folder) as trial:
            copy = trial / path.relative_to(folder)
            (copy if is_folder else copy.parent).mkdir(parents=True, exist_ok=True)
            with open(copy / "file" if is_folder else copy, "xb", buffering=0) as file:
                file.write(bytes(_BLOCK))
                os.fsync(file.fileno())
    except OSError as error:
        if error.errno in _FULL:
            raise FemtmsError(f"{folder}: {reason_of(error)}") from error
        if error.errno == errno.ENAMETOOLONG:
            raise FemtmsError(f"{path}: {reason_of(error)}") from error
        raise FemtmsError(f"{folder}: the folder must be writable; it is not ({error.strerror})") from error


# --- what the operating system says ------------------------------------------------------------------------

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PROBE = 65_536  # bytes that are written to see whether a disk is full


def reason_of(error: OSError) -> str:
    """What the system says is wrong, without where."""
    said = error.strerror or str(error)
    return f"the disk is full ({said})" if error.errno in _FULL and "the disk is full" not in said else said


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Errors of the operating system name the path that the user gave, not a temporary one or none.

    Libraries that write files do not always pass on why that failed: where the disk is full, that is said.
    """
    try:
        yield
    except FemtmsError:
        raise
    except Exception as error:
        said = error if isinstance(error, OSError) else OSError()
        if said.errno is None:
            number = _why_not(path.parent)
            if number is not None:
                said = OSError(number, os.strerror(number))
            elif said is not error:
                raise
        raise OSError(said.errno, reason_of(said), str(path)) from error


def _why_not(folder: Path) -> int | None:
    """The number of the error where the disk of a folder is full, else None."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(_PROBE))
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno if error.errno in _FULL else None
    return None


def write_all(file: RawIOBase, content: bytes | memoryview) -> None:
    """Write to an unbuffered file, which may take only a part.  Raises OSError."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) or 0 :]


# --- folders that come and go ------------------------------------------------------------------------------

_TEMPORARY = ".femtms-"
_OLD_SECONDS = 86_400.0  # after which nobody on another machine is at work


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
def temporary_folder(parent: Path, private: bool = False) -> Iterator[Path]:
    """A new folder in `parent`, on the same file system as what it will become; gone when the block ends.

    private  nobody else may look into it

    What runs that were killed have left there is removed.  Where there are locks, this process holds one on the folder
    as long as it is in use, so nobody takes it for such a rest.
    """
    remove_abandoned(parent)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{socket.gethostname()}-", dir=parent))
        handle = _lock(folder, wait=True)
        if folder.exists():
            break
        if handle is not None:  # somebody took it for abandoned between our two calls
            os.close(handle)
    try:
        if not private:
            folder.chmod(0o777 & ~_umask())  # mkdtemp makes private folders
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def remove_abandoned(parent: Path) -> None:
    """Remove the temporary folders in `parent` whose process is gone.

    Locks do not reach every other machine: what one of those left is removed when it has been untouched for a day.
    Where there are no locks nothing is removed.
    """
    for folder in parent.glob(f"{_TEMPORARY}*"):
        host = folder.name.removeprefix(_TEMPORARY).rpartition("-")[0]
        with suppress(OSError):
            status = folder.lstat()
            is_near = host in ("", socket.gethostname()) or time.time() - status.st_mtime > _OLD_SECONDS
            if not is_near or not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            handle = _lock(folder, wait=False)
            if handle is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)


def _lock(folder: Path, wait: bool) -> int | None:
    """A handle that holds the lock of a folder until it is closed; None where others have it, or there are no locks."""
    if fcntl is None:
        return None
    handle = None
    try:
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # some network file systems have none
        if handle is not None:
            os.close(handle)
        return None
    return handle


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
