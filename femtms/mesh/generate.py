"""From a head to a tetrahedral mesh."""

import logging

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.clean import cleaned
from femtms.head.labels import LabelVolume, check_tissues
from femtms.head.sphere import LayeredSphere
from femtms.mesh.ball import ball_tets
from femtms.mesh.lattice import lattice_tets
from femtms.mesh.tetmesh import TetMesh

log = logging.getLogger("femtms")

DEFAULT_SIZE_MM = 2.2


def mesh_head(head: LabelVolume | LayeredSphere, size_mm: float = DEFAULT_SIZE_MM) -> TetMesh:
    """Tetrahedra of about size_mm for a segmented head or for concentric spheres.

    head     a label volume (see `read_labels`, `load_head`) or a LayeredSphere
    size_mm  edge length in mm: a 3.6 L head has about 4.1 million tetrahedra at 2.2 mm, and 1/size³ of that

    What is dropped or repaired is logged and kept in `mesh.notes`.
    Raises FemtmsError when the head has no tissue, no air or more tissues than a head can have, or the size is out of
    range.
    """
    if isinstance(head, LayeredSphere):
        nodes_mm, tets, tags = ball_tets(head, size_mm)
        notes: tuple[str, ...] = ()
    elif not isinstance(head, LabelVolume):
        raise FemtmsError(f"a head must be a LabelVolume or a LayeredSphere; got {type(head).__name__}")
    else:
        check_tissues(head)
        head, cleaning_notes = cleaned(head)
        nodes_mm, tets, tags, lattice_notes = lattice_tets(head, size_mm)
        notes = cleaning_notes + lattice_notes
    for note in notes:
        log.warning("%s: %s", head.name, note)
    landmarks = {name: 1e-3 * np.asarray(position) for name, position in head.landmarks.items()}
    if isinstance(head, LabelVolume):
        notes = head.notes + notes  # those were logged when they were made
    return TetMesh(1e-3 * nodes_mm, tets, tags, landmarks, notes)
