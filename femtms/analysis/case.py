"""One coil at one place, in numbers that can be compared."""

from dataclasses import dataclass

import numpy as np

from femtms.analysis.head_metrics import HeadMetrics
from femtms.analysis.sphere import SphereMetrics
from femtms.coil.coil import Coil
from femtms.coil.energy import pulse_energy

STANDARD_SPHERE = "standard sphere"


@dataclass(frozen=True, eq=False)
class Case:
    """A coil at a place; fields are those of a current that rises by 1 A/µs.

    place            what people call it: an electrode, or STANDARD_SPHERE
    clearance        m, of the casing from the scalp, negative where it cuts; None where nothing is known of the casing
    centre           m, of the coil's origin from the scalp
    E_brain, E_scalp, d_half, v_half, s_half, depths, profile   see HeadMetrics and, in spheres, SphereMetrics
    gm_50, gm_75     see HeadMetrics; None without a mesh
    gm_error         estimated relative error of E in grey matter, see `Field.relative_error`; None without a mesh
    """

    coil: Coil
    place: str
    clearance: float | None
    E_brain: float
    E_scalp: float | None
    d_half: float
    v_half: float
    s_half: float
    depths: np.ndarray
    profile: np.ndarray
    gm_50: float | None = None
    gm_75: float | None = None
    gm_error: float | None = None
    centre: float | None = None

    @classmethod
    def of(
        cls,
        coil: Coil,
        place: str,
        clearance: float | None,
        metrics: HeadMetrics | SphereMetrics,
        on_mesh: HeadMetrics | None = None,
        gm_error: float | None = None,
        centre: float | None = None,
    ) -> "Case":
        """From the metrics; `on_mesh` adds the volumes of grey matter where others are the more exact."""
        volumes = metrics if isinstance(metrics, HeadMetrics) else on_mesh
        return cls(
            coil=coil,
            place=place,
            clearance=clearance,
            centre=centre,
            E_brain=metrics.E_brain,
            E_scalp=metrics.E_scalp,
            d_half=metrics.d_half,
            v_half=metrics.v_half,
            s_half=metrics.s_half,
            depths=metrics.depths,
            profile=metrics.profile,
            gm_50=None if volumes is None else volumes.gm_50,
            gm_75=None if volumes is None else volumes.gm_75,
            gm_error=gm_error,
        )

    @property
    def scalp_ratio(self) -> float | None:
        """Field in the scalp by that in the brain: what a subject feels for what the brain gets."""
        return None if self.E_scalp is None else self.E_scalp / self.E_brain

    @property
    def E_limit(self) -> float | None:
        """The brain maximum in V/m at the largest dI/dt of the stimulator; None where that is not known."""
        return None if self.coil.max_didt is None else 1e-6 * self.coil.max_didt * self.E_brain

    def didt_for(self, target: float) -> float:
        """dI/dt in A/s at which the brain maximum is `target` V/m."""
        return 1e6 * target / self.E_brain

    def share_for(self, target: float) -> float | None:
        """That as a share of the stimulator's largest; above 1 it cannot give it."""
        return None if self.coil.max_didt is None else self.didt_for(target) / self.coil.max_didt

    def energy_for(self, target: float, period: float) -> float | None:
        """Energy in J of the coil's magnetic field for it, in pulses of `period` s; None without an inductance."""
        inductance = self.coil.inductance
        return None if inductance is None else pulse_energy(inductance, self.didt_for(target), period)
