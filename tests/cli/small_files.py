"""Small heads and mesh files, good and bad, and what a refusal looks like."""

import struct
from dataclasses import dataclass

import meshio
import numpy as np

# What may stand on stderr before the one sentence of an error.
NOTES = (
    "dropped",
    "filled",
    "touches the border",
    "only tissue",
    "computing on the CPU",
    "orientation",
    "too thin",
    "of the rest",
    "brain in air",
    "turned",
    "merged",
    "GB of memory",
    "its nearest point",
    " …",
)


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def said_no(result, *words):
    """Assert exit code 2, nothing on stdout and one sentence on stderr that has all the words."""
    lines = [line for line in result.err.splitlines() if line.strip()]
    assert result.code == 2, result
    assert result.out == ""
    assert "Traceback" not in result.err
    *notes, sentence = lines
    assert sentence.startswith("femtms: error: "), result.err
    assert all(any(known in note for known in NOTES) for note in notes), notes
    assert "please report" not in sentence  # the net under errors that nobody foresaw
    assert len(sentence) < 700
    for word in words:
        assert word.lower() in sentence.lower(), f"{word!r} is not in: {sentence}"
    return sentence


def ball_labels(voxels=20, voxel_mm=4.0):
    """Five layers around the origin; the outermost has a radius of 34 mm."""
    half = 0.5 * (voxels - 1)
    grid = np.stack(np.meshgrid(*[np.arange(voxels) - half] * 3, indexing="ij"), axis=-1)
    radius = voxel_mm * np.linalg.norm(grid, axis=-1)
    data = np.zeros(radius.shape, np.uint8)
    for tag, outer in ((5, 34), (4, 30), (3, 26), (2, 22), (1, 14)):
        data[radius < outer] = tag
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = -voxel_mm * half
    return data, affine


def gmsh41(path, nodes, tets, tags, binary):
    """Gmsh 4.1 with one volume entity, and its physical group, for each tissue; meshio writes one."""
    tissues = np.unique(tags)
    low, high = nodes.min(axis=0), nodes.max(axis=0)

    def row(kinds, *values):
        if binary:
            return struct.pack("=" + kinds, *values)
        return (" ".join(repr(v) if isinstance(v, float) else str(v) for v in values) + "\n").encode()

    header = b"$MeshFormat\n" + f"4.1 {int(binary)} 8\n".encode()
    header += (struct.pack("=i", 1) + b"\n" if binary else b"") + b"$EndMeshFormat\n"
    entities = row("4Q", 0, 0, 0, len(tissues))
    for t in tissues:
        entities += row("i6dQiQ", int(t), *map(float, low), *map(float, high), 1, int(t), 0)
    body = row("4Q", 1, len(nodes), 1, len(nodes)) + row("3iQ", 3, int(tissues[0]), 0, len(nodes))
    body += b"".join(row("Q", i + 1) for i in range(len(nodes)))
    body += b"".join(row("3d", *map(float, x)) for x in nodes)
    elements = row("4Q", len(tissues), len(tets), 1, len(tets))
    number = 0
    for t in tissues:
        own = tets[tags == t]
        elements += row("3iQ", 3, int(t), 4, len(own))
        for tet in own:
            number += 1
            elements += row("5Q", number, *(int(n) + 1 for n in tet))
    sections = (("Entities", entities), ("Nodes", body), ("Elements", elements))
    end = b"\n" if binary else b""
    text = b"".join(b"$%s\n%s%s$End%s\n" % (n.encode(), content, end, n.encode()) for n, content in sections)
    path.write_bytes(header + text)


def write_raw(path, nodes_mm, cells, cell_data=None, **options):
    """A mesh file with whatever is in it, good or bad."""
    meshio.write(path, meshio.Mesh(nodes_mm, cells, {}, cell_data or {}), **options)
