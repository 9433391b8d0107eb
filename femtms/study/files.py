"""Files that a study names: paths relative to it, and patterns that stand for several."""

import glob
from dataclasses import dataclass, field
from pathlib import Path

from femtms.errors import FemtmsError

_LONGEST = 1000  # characters of a path in a study
_PATTERN = "*?["


@dataclass(frozen=True)
class Files:
    """The files around a study.

    folder  what relative paths start from
    known   pattern -> its files: a search through a data set can take long, and is asked for more than once; state
    """

    folder: Path
    known: dict[tuple[Path, str], tuple[Path, ...]] = field(default_factory=dict)

    def all(self, text: str, folder: Path | None = None) -> tuple[Path, ...]:
        """Absolute paths of the file, or of all files that match a pattern, in ascending order.

        In a pattern * and ? stand for parts of a name, [ab] for one of some characters, and ** for any folders.  What
        exists as it is written is no pattern.  Raises FemtmsError when there is none.
        """
        folder = folder or self.folder
        if (folder, text) not in self.known:
            self.known[folder, text] = self._found(text, folder)
        return self.known[folder, text]

    def one(self, text: str) -> Path:
        """The same for what must be one file, not a pattern."""
        found = self.all(text)
        if len(found) > 1:
            raise FemtmsError(f"must be one file; {len(found)} match '{text}'")
        return found[0]

    def _found(self, text: str, folder: Path) -> tuple[Path, ...]:
        if not 0 < len(text) <= _LONGEST or not text.isprintable():
            raise FemtmsError(f"a path must have 1 to {_LONGEST} printable characters; got {text!r:.60}")
        try:
            path = (folder / Path(text).expanduser()).absolute()
            if path.is_file():
                return (path,)
            if path.is_dir():
                raise FemtmsError(f"must be a file; {path} is a folder")
            if not any(c in text for c in _PATTERN):
                raise FemtmsError(f"there is no file {path}")
            matches = glob.glob(str(Path(text).expanduser()), root_dir=folder, recursive=True)
            found = sorted({(folder / match).absolute() for match in matches})
            files = tuple(match for match in found if match.is_file())
        except (OSError, RuntimeError) as error:  # a name that is too long, a home that is not known
            raise FemtmsError(f"{text}: cannot be looked for ({error})") from None
        if not files:
            raise FemtmsError(f"no file matches '{text}' in {folder}")
        return files
