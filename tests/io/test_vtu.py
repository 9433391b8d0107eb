"""Packed .vtu files are what VTK's format says: other programs read what was written, to the last bit."""

import meshio
import numpy as np
import pytest

from femtms.io.vtu import _BLOCK, write_vtu


@pytest.mark.parametrize("tets", [1, 40_000, _BLOCK // 16, _BLOCK // 16 + 1])
def test_another_program_reads_what_was_written(tmp_path, tets):
    rng = np.random.default_rng(tets)
    points = rng.normal(size=(tets + 3, 3))
    corners = (np.arange(tets)[:, None] + np.arange(4)).astype(np.int32)
    cells = {"tissue": rng.integers(1, 9, tets).astype(np.int32), "E": rng.normal(size=(tets, 3)).astype(np.float32)}
    nodes = {"potential": rng.normal(size=len(points)).astype(np.float32)}
    write_vtu(tmp_path / "a.vtu", points, corners, cells, nodes)
    found = meshio.read(tmp_path / "a.vtu")
    np.testing.assert_array_equal(found.points, points)
    np.testing.assert_array_equal(found.cells_dict["tetra"], corners)
    for name, values in cells.items():
        np.testing.assert_array_equal(found.cell_data[name][0], values)
        assert found.cell_data[name][0].dtype == values.dtype
    np.testing.assert_array_equal(found.point_data["potential"], nodes["potential"])
    assert (tmp_path / "a.vtu").stat().st_size < 0.8 * sum(a.nbytes for a in (points, corners, *cells.values())) + 3000


def test_vtk_reads_it(tmp_path):
    pyvista = pytest.importorskip("pyvista")
    points = np.vstack([np.zeros(3), np.eye(3)])
    write_vtu(tmp_path / "a.vtu", points, np.arange(4, dtype=np.int32)[None], {"t": np.array([7], np.int32)}, {})
    grid = pyvista.read(tmp_path / "a.vtu")
    np.testing.assert_array_equal(grid.points, points)
    assert grid.n_cells == 1 and grid["t"].tolist() == [7] and grid.volume == pytest.approx(1 / 6)
