"""From a head to a tetrahedral mesh."""

import logging
import time

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.clean import cleaned
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.mesh.bcc import bcc_lattice
from femtms.mesh.cut import cut_at_interfaces
from femtms.mesh.label_field import field_of
from femtms.mesh.optimise import Interfaces, node_labels, optimised
from femtms.mesh.edges import incident
from femtms.mesh.refine import refined_where_thin
from femtms.mesh.tetmesh import TetMesh
from femtms.mesh.tidy import tidied
from femtms.tissue import name_of

log = logging.getLogger("femtms")

DEFAULT_SIZE_MM = 2.6


def mesh_head(head: LabelVolume | LayeredSphere, size_mm: float = DEFAULT_SIZE_MM, seconds=None) -> TetMesh:
    tt = {} if seconds is None else seconds
    t0 = [time.perf_counter()]
    def tick(name):
        t = time.perf_counter(); tt[name] = tt.get(name, 0) + t - t0[0]; t0[0] = t
    notes = ()
    if isinstance(head, LabelVolume):
        head, notes = cleaned(head)
    tick('clean')
    field, tags = field_of(head)
    tick('indicators')
    lattice = bcc_lattice(field, size_mm)
    tick('lattice')
    lattice, labels = refined_where_thin(lattice, field, size_mm)
    tick('refine')
    x, tets, labels = cut_at_interfaces(lattice, field, labels, len(tags))
    tick('cut')
    names = ["air"] + [name_of(t) for t in tags[1:]]
    labels, behind, more = tidied(x, tets, labels, 0.5 * size_mm**3, names)
    tick('tidy')
    starts, meeting = incident(tets, len(x))
    bits = node_labels(tets, labels, starts, meeting)
    inside = labels > 0
    other = np.where(behind >= 0, labels[behind], 0)
    FACES = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])
    t, f = np.nonzero((labels[:, None] > other))
    tri = tets[t[:, None], FACES[f]]
    pairs = np.stack([other[t, f], labels[t]], 1).astype(np.uint8)
    used = np.zeros(len(x), bool); used[tets[inside]] = True
    new = np.cumsum(used, dtype=np.int32) - np.int32(1)
    x, tets, labels, bits, tri = x[used], new[tets[inside]], labels[inside], bits[used], new[tri]
    tick('compact')
    x = optimised(field, x, tets, bits, Interfaces(tri, pairs))
    tick('optimise')
    notes += more
    for note in notes:
        log.warning("%s: %s", head.name, note)
    landmarks = {name: 1e-3 * np.asarray(position) for name, position in head.landmarks.items()}
    m = TetMesh(1e-3 * x, tets, tags[labels], landmarks, notes)
    tick('TetMesh')
    return m
