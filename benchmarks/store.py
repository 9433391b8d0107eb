"""How the results of a study are best kept: chunk shapes and compression of numbers and of fields.

    python benchmarks/store.py [--head colin27] [--size 8] [--solved 64] [--positions 10000]

Fields and statistics are real ones: a coil at `--solved` positions around C3.  The numbers of the other positions are
those of the solved ones times 1 + 0.001 × normal noise, so that their digits are as new as real ones.  Everything is
written as `femtms run` does it: each chunk whole and on the disk before the next.  Printed as Markdown tables; sizes
do not depend on the machine, seconds do.
"""

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr
from problem import HEAD, compile_all, load_head
from zarr.codecs import BloscCodec, TransposeCodec, ZstdCodec

import femtms
from femtms.batch.chunks import create_array
from femtms.batch.columns import DONE, columns_of
from femtms.batch.safe_store import SafeStore
from femtms.study.design import StudyResults

TISSUES = (("gm",), ("gm", "wm"), ("gm", "wm", "csf", "bone", "scalp"))


def blosc(name, shuffle, level=5):
    return lambda itemsize: BloscCodec(typesize=itemsize, cname=name, clevel=level, shuffle=shuffle)


CODECS = {
    "none": lambda itemsize: BloscCodec(typesize=itemsize, cname="lz4", clevel=0, shuffle="noshuffle"),
    "Zstandard 3": lambda _: ZstdCodec(level=3),
    "blosc lz4, bytes": blosc("lz4", "shuffle"),
    "blosc Zstandard 5, bytes": blosc("zstd", "shuffle"),
    "blosc Zstandard 5, bits": blosc("zstd", "bitshuffle"),
    "blosc Zstandard 9, bytes": blosc("zstd", "shuffle", 9),
}
USED = "blosc Zstandard 5, bytes"


def positions(mesh, count):
    """Poses of a coil over places around C3, each turned by steps of 45°."""
    at = femtms.place(mesh, "C3", "CP3", gap_mm=4).matrix
    side = int(np.ceil(np.sqrt(count / 4)))
    for u, v, turn in itertools.islice(itertools.product(range(side), range(side), range(4)), count):
        point = at[:3, 3] + 3 * (u - side / 2) * at[:3, 0] + 3 * (v - side / 2) * at[:3, 1]
        pose = femtms.place(mesh, point, point + 30 * at[:3, 1], gap_mm=4).matrix
        c, s = np.cos(np.radians(45 * turn)), np.sin(np.radians(45 * turn))
        yield femtms.Pose(pose @ np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))


def row(columns, result):
    """The numbers of a case, as a study keeps them."""
    values = np.empty(len(columns))
    for i, column in enumerate(columns):
        if column.tissue is not None:
            summary = result.tissues[column.tissue]
            if column.axis is not None:
                values[i] = summary.peak_mm["xyz".index(column.axis)]
            else:
                values[i] = summary.error if column.variable.endswith("error") else getattr(summary, column.variable)
        elif column.entry is not None:
            values[i] = result.pose.matrix[column.entry]
        else:
            values[i] = {"state": DONE, "iterations": result.iterations, "residual": result.residual}[column.variable]
    return values


def many(rows, count):
    """As many rows as wanted, each with digits of its own; state and iterations stay whole."""
    rng = np.random.default_rng(0)
    values = rows[rng.integers(len(rows), size=count)]
    values[:, 2:] *= 1 + 1e-3 * rng.normal(size=(count, values.shape[1] - 2))
    return values


def measured(values, chunk, codec, parts, inner=None, filters=None):
    """Bytes in files and on the disk; number of files; seconds to write, to read all, and to read a part.

    chunk  what is written, and committed, at once
    inner  what can be read by itself, where that is less
    """
    with tempfile.TemporaryDirectory() as folder:
        group = zarr.create_group(SafeStore(Path(folder) / "a.zarr"))
        if inner is None and filters is None:
            dims = tuple("abcd"[: values.ndim])
            array = create_array(group, "a", values.shape, chunk, dims, values.dtype.str[1:], {}, [codec])
        else:
            array = group.create_array(
                "a",
                shape=values.shape,
                chunks=inner or chunk,
                dtype=values.dtype,
                filters=filters or "auto",
                compressors=[codec],
                fill_value=np.nan,
                chunk_key_encoding={"name": "default", "separator": "."},
                **({} if inner is None else {"shards": chunk}),
            )
        start = time.perf_counter()
        for first in range(0, len(values), chunk[0]):
            array[first : first + chunk[0]] = values[first : first + chunk[0]]
        written = time.perf_counter() - start
        files = [path.stat() for path in (Path(folder) / "a.zarr" / "a").iterdir() if path.name != "zarr.json"]
        start = time.perf_counter()
        np.testing.assert_array_equal(array[:], values)
        read = time.perf_counter() - start
        start = time.perf_counter()
        for part in parts:
            array[part]
        some = (time.perf_counter() - start) / len(parts)
    return sum(f.st_size for f in files), 512 * sum(f.st_blocks for f in files), len(files), written, read, some


def numbers(rows, count):
    """Tables of chunk sizes and of codecs for the numbers of many positions."""
    print(f"\n{count:,} positions, {rows.shape[1]} numbers each, {8 * count * rows.shape[1] / 1e6:.1f} MB:\n")
    print("| cases in a chunk | compression | MB | MB with the file system | bytes/case | files | write s | read s |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    values = many(rows, count)
    for cases, name in [(cases, USED) for cases in (1, 16, 64, 256, 1024)] + [(64, name) for name in CODECS]:
        chunk = (cases, values.shape[1])
        size, blocks, files, written, read, _ = measured(values, chunk, CODECS[name](8), [slice(0, 1)])
        print(
            f"| {cases} | {name} | {size / 1e6:.2f} | {blocks / 1e6:.2f} | {size / count:.0f} | {files} "
            f"| {written:.2f} | {read:.2f} |"
        )


def fields(E):
    """Table of chunk shapes and codecs for fields; E (k, points, 3) float32."""
    k, points, _ = E.shape
    print(f"\nE at {points:,} nodes of grey matter, {k} positions, {E.nbytes / k / 1e6:.2f} MB each:\n")
    print("| chunk | compression | MB/case | share | write ms/case | read all ms/case | read one case ms |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    one, whole = (1, points, 3), (min(64, k), points, 3)
    axis_first = [TransposeCodec(order=(2, 0, 1))]
    trials = [("a case", one, None, None, name) for name in CODECS]
    trials += [
        ("a case, axis by axis", one, None, axis_first, USED),
        ("64 cases", whole, None, None, USED),
        ("64 cases in a shard", whole, one, None, USED),
        ("an eighth of the points of a case", (1, -(-points // 8), 3), None, None, USED),
    ]
    parts = [slice(i, i + 1) for i in range(min(8, k))]
    for what, chunk, inner, filters, name in trials:
        size, _, _, written, read, some = measured(E, chunk, CODECS[name](4), parts, inner, filters)
        print(
            f"| {what} | {name} | {size / k / 1e6:.3f} | {size / E.nbytes:.2f} | {1e3 * written / k:.1f} "
            f"| {1e3 * read / k:.1f} | {1e3 * some:.1f} |"
        )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", default=HEAD)
    parser.add_argument("--size", type=float, default=8.0)
    parser.add_argument("--solved", type=int, default=64)
    parser.add_argument("--positions", type=int, default=10_000)
    chosen = parser.parse_args(arguments)
    compile_all()
    mesh = femtms.mesh_head(load_head(chosen.head), chosen.size)
    simulator = femtms.Simulator(mesh, device="cpu")
    poses = list(positions(mesh, chosen.solved))
    present = {femtms.tissue.name_of(tag) for tag in mesh.tissues}
    results, E = [], []
    for result in simulator.sweep(femtms.load_coil("figure8-70mm"), poses, fields=True, allow_intersection=True):
        results.append(result)
        E.append(result.field.at_nodes("gm")[1].astype(np.float32))
    for tissues in TISSUES:
        if set(tissues) <= present:
            columns = columns_of(StudyResults(tissues))
            numbers(np.array([row(columns, result) for result in results]), chosen.positions)
    fields(np.array(E))


if __name__ == "__main__":
    main()
