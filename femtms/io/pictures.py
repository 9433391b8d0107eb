"""Pictures as files."""

from pathlib import Path

from femtms.coil.coil import Coil
from femtms.io.files import whole_file
from femtms.mesh.tetmesh import TetMesh
from femtms.report.coil_picture import draw_coil
from femtms.report.figures import check_picture_suffix
from femtms.report.mesh_picture import draw_mesh


def write_mesh_picture(mesh: TetMesh, path: str | Path, title: str = "", overwrite: bool = False) -> None:
    """Write the picture of a mesh: two cuts, a detail, and the dihedral angles; .png, .pdf or .svg.

    Raises FemtmsError for another suffix, or when the file exists and overwrite is False.
    """
    path = Path(path)
    check_picture_suffix(path)
    with whole_file(path, overwrite) as temporary:
        draw_mesh(mesh, temporary, title)


def write_coil_picture(coil: Coil, path: str | Path, z_mm: float = 10.0, overwrite: bool = False) -> None:
    """Write the picture of a coil: windings, and |A| and |B| on the plane z = z_mm; .png, .pdf or .svg.

    Raises FemtmsError for another suffix, when the file exists and overwrite is False, and for `plane_before`.
    """
    path = Path(path)
    check_picture_suffix(path)
    with whole_file(path, overwrite) as temporary:
        draw_coil(coil, temporary, 1e-3 * z_mm)
