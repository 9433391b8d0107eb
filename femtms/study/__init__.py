"""Studies: many heads, coils and places, described in one file; what is to be computed, and nothing of how."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from femtms.extras import need_batch
from femtms.study.design import Design


def read_study(study: str | Path | Mapping[str, Any], folder: str | Path | None = None) -> Design:
    """The design of a study from its YAML file, or from the same as a Python mapping: see docs/studies.md.

    folder  what relative paths in a mapping start from, the current folder by default; those in a file start from its
            own folder

    Nothing is computed, and of heads and coils only the names are looked at: what is wrong inside the files is found
    when the study runs.  Raises StudyFaults with all that is wrong, each with its line: unknown keys, impossible
    values, missing files; FemtmsError when the study itself cannot be read.
    """
    need_batch("read_study", ("yaml",))
    # here, as `import femtms` works without the libraries for studies
    from femtms.study.document import document_of, read_document
    from femtms.study.reader import design_of

    return design_of(document_of(study, folder) if isinstance(study, Mapping) else read_document(study))
