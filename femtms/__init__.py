"""The electric field that a transcranial-magnetic-stimulation coil induces in a head, by finite elements.

SI units inside (m, S/m, V/m, A/s); where a name is not SI it says so (`size_mm`).  Files are in mm.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from femtms.batch.open import open_fields, open_study
from femtms.coil.array import superposed
from femtms.coil.clearance import Clearance, clearance, raised
from femtms.coil.coil import Coil
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.model import CoilModel
from femtms.coil.place import place
from femtms.coil.pose import Pose
from femtms.coil.sampled import SampledField
from femtms.coil.stimulator import Stimulator, Waveform
from femtms.conductivity.anisotropic import anisotropic
from femtms.conductivity.anisotropic_conductivity import AnisotropicConductivity
from femtms.conductivity.tensor_volume import TensorVolume
from femtms.errors import FemtmsError, NotConverged, StudyFaults
from femtms.field.field import Field
from femtms.field.pose_result import PoseResult
from femtms.field.surface_field import SurfaceField
from femtms.head.label_map import LabelMap
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.io.coils import load_coil, write_coil
from femtms.io.electrode_files import read_electrodes
from femtms.io.fiducials import with_fiducials
from femtms.io.heads import load_head
from femtms.io.label_maps import read_label_map
from femtms.io.meshes import read_mesh, write_mesh
from femtms.io.nifti import read_labels, write_nifti
from femtms.io.poses import read_pose, read_poses
from femtms.io.surface_files import read_surface
from femtms.io.surfaces import write_surface, write_surface_field
from femtms.io.tcd import read_tcd
from femtms.io.tensors import read_tensors
from femtms.mesh.generate import mesh_head
from femtms.mesh.surface import Surface
from femtms.mesh.tetmesh import TetMesh
from femtms.simulator import Simulator
from femtms.solver.direct import Direct
from femtms.study import read_study
from femtms.tissue import Tissue
from femtms.within import Within, solve_within

if TYPE_CHECKING:
    from femtms.batch.run import run_study
    from femtms.compare import compare
    from femtms.simulate import simulate
    from femtms.sweep import sweep

__version__ = "0.1.0"

_JOBS = ("compare", "simulate", "sweep")  # modules that are called as their function, see femtms/callable_module.py

__all__ = [
    "AnisotropicConductivity",
    "Clearance",
    "Coil",
    "CoilModel",
    "Currents",
    "Dipoles",
    "Direct",
    "FemtmsError",
    "Field",
    "LabelMap",
    "LabelVolume",
    "LayeredSphere",
    "NotConverged",
    "Pose",
    "PoseResult",
    "SampledField",
    "Simulator",
    "Stimulator",
    "StudyFaults",
    "Surface",
    "SurfaceField",
    "TensorVolume",
    "TetMesh",
    "Tissue",
    "Waveform",
    "Within",
    "anisotropic",
    "clearance",
    "compare",
    "load_coil",
    "load_head",
    "mesh_head",
    "open_fields",
    "open_study",
    "place",
    "raised",
    "read_electrodes",
    "read_label_map",
    "read_labels",
    "read_mesh",
    "read_pose",
    "read_poses",
    "read_study",
    "read_surface",
    "read_tcd",
    "read_tensors",
    "run_study",
    "simulate",
    "solve_within",
    "superposed",
    "sweep",
    "with_fiducials",
    "write_coil",
    "write_mesh",
    "write_nifti",
    "write_surface",
    "write_surface_field",
]


def __getattr__(name: str) -> Any:
    """The jobs, loaded when they are asked for: with their libraries they take half as long as all else."""
    if name in _JOBS:
        return import_module(f"femtms.{name}")
    if name == "run_study":
        return import_module("femtms.batch.run").run_study
    raise AttributeError(f"module 'femtms' has no attribute '{name}'")
