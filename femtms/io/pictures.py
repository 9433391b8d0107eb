"""Pictures as files."""

from pathlib import Path

from femtms.io.files import whole_file
from femtms.mesh.tetmesh import TetMesh
from femtms.report.mesh_picture import check_picture_suffix, draw_mesh


def write_mesh_picture(mesh: TetMesh, path: str | Path, title: str = "", overwrite: bool = False) -> None:
    """Write the picture of a mesh: two cuts, a detail, and the dihedral angles; .png, .pdf or .svg.

    Raises FemtmsError for another suffix, or when the file exists and overwrite is False.
    """
    path = Path(path)
    check_picture_suffix(path)
    with whole_file(path, overwrite) as temporary:
        draw_mesh(mesh, temporary, title)
