"""What a job wants of diffusion tensors: the file, and how they become conductivity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from femtms.conductivity.anisotropic import DEFAULT_RATIO, DEFAULT_SIGMA, DEFAULT_TISSUES, anisotropic, check_limits
from femtms.conductivity.anisotropic_conductivity import AnisotropicConductivity
from femtms.conductivity.isotropic import Conductivity
from femtms.conductivity.normalise import check_normalisation
from femtms.conductivity.tensor_volume import TensorVolume
from femtms.io.files import file_provenance
from femtms.io.tensors import read_tensors
from femtms.mesh.tetmesh import TetMesh
from femtms.stage import Timed


@dataclass(frozen=True)
class Anisotropy:
    """A file of tensors, see `read_tensors` for it and for the frame, and the settings of `femtms.anisotropic`.

    Raises FemtmsError for settings that mean nothing.
    """

    tensors: str | Path
    normalisation: str = "vn"
    max_ratio: float = DEFAULT_RATIO
    max_sigma: float = DEFAULT_SIGMA
    tissues: Sequence[int | str] = DEFAULT_TISSUES
    frame: str = "fsl"

    def __post_init__(self) -> None:
        check_normalisation(self.normalisation)
        check_limits(self.max_ratio, self.max_sigma)

    def loaded(self) -> "LoadedTensors":
        """With the tensors and the hash of the file, taken now: it may be another one later.  Raises FemtmsError."""
        volume = read_tensors(self.tensors, self.frame)
        return LoadedTensors(self, volume, file_provenance(Path(self.tensors)) | {"frame": self.frame})


@dataclass(frozen=True, eq=False)
class LoadedTensors:
    """Tensors that wait for their head, and where they are from, for JSON."""

    wanted: Anisotropy
    volume: TensorVolume
    provenance: Mapping[str, Any]

    def inputs(self) -> dict[str, Any]:
        """All that the conductivity depends on, for JSON."""
        wanted = self.wanted
        return dict(self.provenance) | {
            "normalisation": wanted.normalisation,
            "max_ratio": float(wanted.max_ratio),
            "max_sigma_S_per_m": float(wanted.max_sigma),
            "tissues": [str(tissue) for tissue in wanted.tissues],
        }

    def conductivity(self, mesh: TetMesh, sigma: Mapping[int | str, float] | None) -> AnisotropicConductivity:
        """Of a head, with the isotropic values {tissue: S/m} in place of the built-in ones.  Raises FemtmsError."""
        wanted = self.wanted
        return anisotropic(
            mesh, self.volume, wanted.normalisation, sigma, wanted.max_ratio, wanted.max_sigma, wanted.tissues
        )


def conductivity_with(
    tensors: LoadedTensors | None, mesh: TetMesh, sigma: Mapping[int | str, float] | None, timed: Timed
) -> Conductivity:
    """What a Simulator takes for {tissue: S/m} and tensors, if there are any; making it of tensors is a stage."""
    if tensors is None:
        return sigma
    with timed("tensors", "conductivity from tensors"):
        return tensors.conductivity(mesh, sigma)


def anisotropy_summary(conductivity: Conductivity) -> dict[str, Any] | None:
    """How tensors became conductivity, with all counts, for JSON; None where there were none."""
    return conductivity.as_dict() if isinstance(conductivity, AnisotropicConductivity) else None
