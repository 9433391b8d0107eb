"""From a head to a tetrahedral mesh: the steps, one module each."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.clean import cleaned
from femtms.head.labels import LabelVolume, check_tissues
from femtms.head.sphere import LayeredSphere
from femtms.kernels.cpu import signed_volumes
from femtms.mesh.bcc import bcc_lattice
from femtms.mesh.body import body_of
from femtms.mesh.cut import cut_at_interfaces
from femtms.mesh.label_field import field_of
from femtms.mesh.optimise import optimised
from femtms.mesh.refine import refined_where_needed
from femtms.mesh.sizes import DEFAULT_SIZE_MM, SizeMM, sizes_of
from femtms.mesh.tetmesh import TetMesh
from femtms.mesh.tidy import tidied
from femtms.mesh.volumes import volume_changes, volume_note
from femtms.stage import Stage, told
from femtms.tissue import name_of

log = logging.getLogger("femtms")

_CRUMB = 0.1  # of the finest size³: smaller pieces of a tissue cannot be meshed well and join their surroundings


def mesh_head(head: LabelVolume | LayeredSphere, size_mm: SizeMM = DEFAULT_SIZE_MM, stage: Stage = told) -> TetMesh:
    """Tetrahedra of about size_mm for a segmented head or for concentric spheres.

    head     a label volume (see `read_labels`, `load_head`) or a LayeredSphere
    size_mm  edge length in mm; it is halved where tissue is thin or folded.  Or tissue -> size, "other" being the rest:
             {"gm": 1.8, "csf": 1.8, "scalp": 4}; see `femtms.mesh.sizes`
    stage    called with the name of each stage, returns a context manager: for progress displays

    What is dropped or repaired is logged and kept in `mesh.notes`, the seconds of each stage in `mesh.seconds`.
    Raises FemtmsError when the head has no tissue, no air or more tissues than a head can have, or the size is out of
    range.
    """
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        start = time.perf_counter()
        with stage(f"meshing: {name}"):
            yield
        seconds[name] = time.perf_counter() - start

    notes: tuple[str, ...] = ()
    with timed("indicators"):
        if isinstance(head, LabelVolume):
            check_tissues(head)
            head, notes = cleaned(head)
        elif not isinstance(head, LayeredSphere):
            raise FemtmsError(f"a head must be a LabelVolume or a LayeredSphere; got {type(head).__name__}")
        field, tags = field_of(head)
    with timed("lattice"):
        sizes = sizes_of(size_mm, head, tags)
        lattice = bcc_lattice(field, sizes.lattice_mm)
    with timed("refinement"):
        lattice, labels = refined_where_needed(lattice, field, sizes.of_label)
    with timed("cutting"):
        x, tets, labels = cut_at_interfaces(lattice, field, labels, len(tags))
    with timed("tidying"):
        names = ["air", *(name_of(tag) for tag in tags[1:])]
        crumb_mm3 = _CRUMB * sizes.of_label.min() ** 3
        voxel_mm3 = 1e3 * head.voxel_ml if isinstance(head, LabelVolume) else 0.0
        labels, behind, tidying_notes = tidied(x, tets, labels, crumb_mm3, voxel_mm3, names)
        if not labels.any():
            raise FemtmsError(
                f"{head.name}: no tissue is large enough for tetrahedra of this size; use a smaller size_mm"
            )
        tidying_notes += _lost(tags, labels)
        body = body_of(x, tets, labels, behind)
    with timed("optimisation"):
        x = optimised(field, body, _voxel_volumes(head, tags) if isinstance(head, LabelVolume) else None)

    landmarks = {name: 1e-3 * np.asarray(position) for name, position in head.landmarks.items()}
    nodes, of_tets = 1e-3 * x, tags[body.labels]
    notes += tidying_notes
    labels_ml = {}
    if isinstance(head, LabelVolume):
        labels_ml = dict(zip(tags[1:].tolist(), (1e-3 * _voxel_volumes(head, tags)[1:]).tolist()))
        size_of = dict(zip(tags[1:].tolist(), sizes.of_label[1:].tolist()))
        changes = volume_changes(labels_ml, of_tets, signed_volumes(nodes, body.tets))
        notes += volume_note(changes, size_of, float(head.voxel_mm.min()))
    for note in notes:
        log.warning("%s: %s", head.name, note)
    if isinstance(head, LabelVolume):
        notes = head.notes + notes  # those were logged when they were made
    return TetMesh(nodes, body.tets, of_tets, landmarks, notes, seconds, labels_ml=labels_ml)


def _lost(tags: np.ndarray, labels: np.ndarray) -> tuple[str, ...]:
    """A sentence on the tissues of a head that no tetrahedron has."""
    lost = set(range(len(tags))) - set(np.unique(labels).tolist()) - {0}
    if not lost:
        return ()
    return (f"{', '.join(name_of(tags[label]) for label in sorted(lost))}: too thin or small for this size",)


def _voxel_volumes(head: LabelVolume, tags: np.ndarray) -> np.ndarray:
    """Volume (l,) in mm³ of the voxels of each tissue number."""
    return np.array([1e3 * head.voxel_ml * np.count_nonzero(head.data == tag) for tag in tags])
