"""Small valid files of every format, and the command line run inside this process."""

import signal
import sys

import nibabel
import numpy as np
import pytest

from femtms import LabelVolume, load_coil, mesh_head, write_coil
from femtms.cli.main import main
from femtms.report import figures

from .small_files import Result, ball_labels, gmsh41, said_no, write_raw


@pytest.fixture(scope="module", autouse=True)
def draft_pictures():
    """Pictures of few pixels: what is in them is tried in tests/report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "PRINT_DPI", 72)
        yield


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `femtms` with arguments in this process."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["femtms", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        return Result(code, *capsys.readouterr())

    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield command
    for number, handler in previous.items():
        signal.signal(number, handler)


@pytest.fixture
def refused(run):
    """Run `femtms` and assert that it says no, in one sentence that has the given words."""
    return lambda *arguments, words=(): said_no(run(*arguments), *words)


@pytest.fixture(scope="session")
def ball():
    """A small head: data and affine."""
    return ball_labels()


@pytest.fixture(scope="session")
def ball_mesh(ball):
    """The same head as tetrahedra."""
    return mesh_head(LabelVolume(*ball), size_mm=8.0)


@pytest.fixture(scope="session")
def files(tmp_path_factory, ball, ball_mesh):
    """Format -> path of a small valid file."""
    folder = tmp_path_factory.mktemp("valid")
    image = nibabel.Nifti1Image(*ball)
    paths = {}
    for suffix in (".nii", ".nii.gz", ".mgz"):
        paths[suffix] = folder / f"ball{suffix}"
        nibabel.save(image if "nii" in suffix else nibabel.MGHImage(*ball), paths[suffix])

    nodes, tets, tags = 1e3 * ball_mesh.nodes, np.asarray(ball_mesh.tets), np.asarray(ball_mesh.tags)
    for kind, binary in (("ascii", False), ("binary", True)):
        paths[f"msh22-{kind}"] = folder / f"ball22-{kind}.msh"
        data = {"gmsh:physical": [tags], "gmsh:geometrical": [tags]}
        write_raw(paths[f"msh22-{kind}"], nodes, [("tetra", tets)], data, file_format="gmsh22", binary=binary)
        paths[f"msh41-{kind}"] = folder / f"ball41-{kind}.msh"
        gmsh41(paths[f"msh41-{kind}"], nodes, tets, tags, binary)
        paths[f"vtu-{kind}"] = folder / f"ball-{kind}.vtu"
        write_raw(paths[f"vtu-{kind}"], nodes, [("tetra", tets)], {"tissue": [tags]}, binary=binary)

    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rows = [(0.03 * np.cos(a), 0.03 * np.sin(a), 0.0, 0.0, 0.0, 1e-4) for a in angles]
    lines = [f"# ring version 1.0; dIdtmax=100; coilname=ring\n{len(rows)}\n# x y z mx my mz\n"]
    lines += [" ".join(f"{v:.6e}" for v in row) + "\n" for row in rows]
    paths[".ccd"] = folder / "ring.ccd"
    paths[".ccd"].write_text("".join(lines))

    coil = load_coil(paths[".ccd"])
    paths[".tcd"], paths["coil.nii.gz"] = folder / "ring.tcd", folder / "sampled.nii.gz"
    write_coil(coil, paths[".tcd"])
    write_coil(coil, paths["coil.nii.gz"], limits=[[-0.06, 0.06], [-0.06, 0.06], [0.001, 0.1]], resolution=0.009)

    matrix = np.diag([1.0, -1.0, -1.0, 1.0])
    matrix[2, 3] = 42.0
    paths["pose.txt"] = folder / "pose.txt"
    np.savetxt(paths["pose.txt"], matrix)
    paths["pose.npy"] = folder / "pose.npy"
    np.save(paths["pose.npy"], matrix)
    return paths
