"""How strong, how deep and how focal the field of a coil is in the brain of a real head."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from femtms.analysis.envelope import BRAIN, BrainEnvelope
from femtms.arrays import sealed
from femtms.field.field import Field
from femtms.field.statistics import weighted_percentiles
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import Tissue, check_present

_MAXIMUM = 99.9  # the percentile that stands for the maximum: it does not hang on one tetrahedron
_PROFILE_STEP, _PROFILE_END = 0.5e-3, 70e-3  # m
_LEAST_DEPTH = 1e-3  # m, the grid of the envelope does not resolve less
_NEIGHBOURS = 8  # tetrahedra over which a profile is smoothed


@dataclass(frozen=True, eq=False)
class HeadMetrics:
    """The field of a coil at one place of a head, for a current that rises by 1 A/µs.

    E_brain   V/m, the brain maximum: 99.9th percentile, by volume, of |E| in grey matter
    E_scalp   V/m, the same of the scalp; None for a head without one
    d_half    d½ in m: greatest depth below the brain's envelope (see `BrainEnvelope`) at which white or grey matter has
              |E| ≥ E_brain/2: the 99.9th percentile, by volume, of the depths where the mean of |E| over neighbouring
              tetrahedra is that large.  The very deepest tetrahedron would be a splinter in the wall of a ventricle,
              twice as deep as all others
    v_half    V½ in m³: volume of white and grey matter with |E| ≥ E_brain/2
    s_half    S½ in m²: V½ / d½, the spread
    gm_50     m³ of grey matter with |E| ≥ E_brain/2, or half of another maximum that `HeadAnalysis.metrics` was given
    gm_75     m³ of grey matter with |E| ≥ 3/4 of the same
    peak      (3,) m, middle of the strongest grey matter: of the tetrahedra with |E| ≥ E_brain, the one nearest to
              their common centre
    depths    (q,) m from the envelope inward, along the line through the peak that goes straight into the brain: see
              `BrainEnvelope.inward`; z of a coil may go elsewhere, as that of a helmet does
    profile   |E| (q,) in V/m there, over a few neighbouring tetrahedra; NaN outside white and grey matter
    """

    E_brain: float
    E_scalp: float | None
    d_half: float
    v_half: float
    s_half: float
    gm_50: float
    gm_75: float
    peak: np.ndarray
    depths: np.ndarray
    profile: np.ndarray


def check_grey(tissues: Iterable[int]) -> None:
    """Raise FemtmsError unless grey matter is among the tissue numbers of a head."""
    check_present(tissues, Tissue.GM, "the head must have grey matter (gm, tissue 2) to compare coils")


class HeadAnalysis:
    """What the metrics need of a head, made once: its brain, how deep each tetrahedron is, where its neighbours are.

    Raises FemtmsError for a head without grey matter.
    """

    def __init__(self, mesh: TetMesh) -> None:
        check_grey(mesh.tissues)
        self.mesh = mesh
        self.envelope = BrainEnvelope.of(mesh)
        self._brain = np.flatnonzero(np.isin(mesh.tags, BRAIN))
        self._volumes = mesh.volumes[self._brain]
        self._is_gm = mesh.tags[self._brain] == Tissue.GM
        _, tets = np.unique(mesh.tets[self._brain], return_inverse=True)
        self._tets = tets.reshape(-1, 4)  # in the brain's own numbering of its nodes
        self._node_volumes = np.bincount(self._tets.ravel(), np.repeat(self._volumes, 4))
        self._scalp = np.flatnonzero(mesh.tags == Tissue.SCALP)
        self._depths = self.envelope.depths(mesh.centroids[self._brain])
        self._tree = cKDTree(mesh.centroids[self._brain])

    def metrics(self, field: Field, maximum: float | None = None) -> HeadMetrics:
        """Those of one field, whatever its dI/dt was.

        maximum  V/m for 1 A/µs, the brain maximum for gm_50 and gm_75 where a better one than that of this field is
                 known, as in spheres
        """
        magnE = field.magnE * (1e6 / abs(field.didt))  # V/m for 1 A/µs
        brain, volumes = magnE[self._brain], self._volumes
        grey, grey_volumes = brain[self._is_gm], volumes[self._is_gm]
        E_brain = _maximum(grey, grey_volumes)
        maximum = E_brain if maximum is None else maximum
        smooth = self._neighbourhood(brain)
        half = smooth >= E_brain / 2
        d_half = max(_maximum(self._depths[half], volumes[half]), _LEAST_DEPTH)
        v_half = float(volumes[brain >= E_brain / 2].sum())
        peak = self._peak(brain, E_brain)
        inward = self.envelope.inward(peak)
        depths, profile = self._profile(smooth, peak, field.pose.rotation[:, 2] if inward is None else inward)
        return HeadMetrics(
            E_brain=E_brain,
            E_scalp=_maximum(magnE[self._scalp], self.mesh.volumes[self._scalp]) if len(self._scalp) else None,
            d_half=d_half,
            v_half=v_half,
            s_half=v_half / d_half,
            gm_50=float(grey_volumes[grey >= 0.5 * maximum].sum()),
            gm_75=float(grey_volumes[grey >= 0.75 * maximum].sum()),
            peak=sealed(peak),
            depths=sealed(depths),
            profile=sealed(profile),
        )

    def _neighbourhood(self, brain: np.ndarray) -> np.ndarray:
        """Means (b,) over the neighbours of each tetrahedron of the brain: to the nodes, by volume, and back."""
        at_nodes = np.bincount(self._tets.ravel(), np.repeat(self._volumes * brain, 4)) / self._node_volumes
        means: np.ndarray = at_nodes[self._tets].mean(axis=1)
        return means

    def _peak(self, brain: np.ndarray, E_brain: float) -> np.ndarray:
        """(3,) m: see HeadMetrics."""
        strongest = np.flatnonzero(self._is_gm & (brain >= E_brain))
        places, volumes = self.mesh.centroids[self._brain[strongest]], self._volumes[strongest]
        centre = volumes @ places / volumes.sum()
        nearest: np.ndarray = places[((places - centre) ** 2).sum(axis=1).argmin()]
        return nearest.copy()

    def _profile(self, brain: np.ndarray, peak: np.ndarray, inward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Depths (q,) in m and |E| (q,) in V/m: means over the nearest tetrahedra, weighted by inverse distance."""
        start = self._entry(peak, inward)
        depths = np.arange(0.0, _PROFILE_END, _PROFILE_STEP)
        points = start + depths[:, None] * inward
        distance, near = self._tree.query(points, min(_NEIGHBOURS, len(brain)))
        distance, near = distance.reshape(len(points), -1), near.reshape(len(points), -1)
        weight = 1 / np.maximum(distance, 1e-6)
        profile = (weight * brain[near]).sum(axis=1) / weight.sum(axis=1)
        profile[~self._in_brain(points, near)] = np.nan
        return depths, profile

    def _in_brain(self, points: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Whether points (q,3) lie about in the nearest tetrahedra (q,j): no farther than from centroid to corner."""
        reach = 1.25 * np.cbrt(self._volumes[near[:, 0]])  # of a regular one
        return np.linalg.norm(points - self._tree.data[near[:, 0]], axis=1) < reach

    def _entry(self, peak: np.ndarray, inward: np.ndarray) -> np.ndarray:
        """The point (3,) m where the line to the peak enters the envelope."""
        back = np.arange(0.0, _PROFILE_END, 0.1e-3)
        depth = self.envelope.depths(peak - back[:, None] * inward)
        out = np.flatnonzero(depth <= 0)
        return peak - (back[out[0]] if len(out) else 0.0) * inward


def _maximum(values: np.ndarray, volumes: np.ndarray) -> float:
    """That does not hang on one tetrahedron; 0 of none."""
    return float(weighted_percentiles(values, volumes, (_MAXIMUM,))[0]) if len(values) else 0.0
