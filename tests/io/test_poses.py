"""Files of many poses, and what is said about bad ones."""

import pickle

import numpy as np
import pytest

from femtms import FemtmsError, read_poses


def turned(k, seed=0):
    """Poses (k,4,4) in mm that look in all directions."""
    rng = np.random.default_rng(seed)
    matrices = np.tile(np.eye(4), (k, 1, 1))
    for matrix in matrices:
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        matrix[:3, :3] = axes * np.sign(np.linalg.det(axes))
        matrix[:3, 3] = rng.uniform(-100, 100, 3)
    return matrices


@pytest.fixture
def bad(tmp_path):
    """bad(array or bytes or text, words, suffix) writes it and asserts that it is refused with the words."""

    def check(content, *words, name="poses.npy"):
        path = tmp_path / name
        if isinstance(content, np.ndarray):
            np.save(path, content, allow_pickle=content.dtype == object)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content)
        with pytest.raises(FemtmsError) as raised:
            read_poses(path)
        sentence = str(raised.value)
        assert name in sentence and "\n" not in sentence
        for word in words:
            assert word in sentence, sentence

    return check


def test_npy_and_text_hold_the_same_poses(tmp_path):
    matrices = turned(5)
    np.save(tmp_path / "a.npy", matrices)
    np.save(tmp_path / "f.npy", np.asfortranarray(matrices))
    np.savetxt(tmp_path / "a.csv", matrices.reshape(5, 16), fmt="%.17g", delimiter=",", header="r11 r12 …")
    np.savetxt(tmp_path / "a.txt", matrices.reshape(5, 16), fmt="%.17g")
    for name in ("a.npy", "f.npy", "a.csv", "a.txt"):
        for pose, matrix in zip(read_poses(tmp_path / name), matrices, strict=True):
            np.testing.assert_allclose(pose.matrix, matrix, atol=1e-12)


def test_one_matrix_is_one_pose(tmp_path):
    (matrix,) = turned(1)
    np.save(tmp_path / "one.npy", matrix)
    np.savetxt(tmp_path / "one.txt", matrix)
    np.savetxt(tmp_path / "row.txt", matrix.reshape(1, 16))
    for name in ("one.npy", "one.txt", "row.txt"):
        (pose,) = read_poses(tmp_path / name)
        np.testing.assert_allclose(pose.matrix, matrix, atol=1e-12)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda m: m.__setitem__((0, 1), 0.5), "sheared"),
        (lambda m: m.__setitem__((slice(3), 0), -m[:3, 0]), "left-handed"),
        (lambda m: m.__setitem__((slice(3), slice(3)), 2 * m[:3, :3]), "scaled"),
        (lambda m: m.__setitem__((1, 3), np.nan), "finite"),
        (lambda m: m.__setitem__((1, 3), np.inf), "finite"),
        (lambda m: m.__setitem__((3, 0), 1), "last row"),
        (lambda m: m.__setitem__((slice(3), slice(3)), 0), "length 1"),
    ],
    ids=["sheared", "mirrored", "scaled", "nan", "infinite", "last row", "zero"],
)
def test_bad_matrix_is_refused_with_its_index(change, words, bad):
    matrices = np.tile(np.diag([1.0, -1, -1, 1]), (9, 1, 1))
    change(matrices[7])
    bad(matrices, "pose 7", words)
    text = "\n".join(" ".join(map(repr, map(float, m.ravel()))) for m in matrices)
    bad(text, "pose 7", words, name="poses.txt")


@pytest.mark.parametrize("shape", [(16,), (3, 16), (0, 4, 4), (4, 4, 3), (2, 3, 4, 4), (), (0,), (4, 4, 0)])
def test_wrong_shape_is_refused(shape, bad):
    bad(np.zeros(shape), "pose")


def test_other_types_are_refused(bad):
    bad(np.full((2, 4, 4), "x"), "4×4")
    bad(turned(2).astype(complex), "complex")
    bad(np.ones((2, 4, 4), bool), "bool")


def test_pickled_objects_are_never_unpickled(bad):
    bad(np.array([[Trap()]], dtype=object), "objects")
    bad(pickle.dumps(Trap()), "cannot be read")


class Trap:
    """Ends the test when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


@pytest.mark.parametrize("shape", ["(4000000000, 4, 4)", "(1000, 4, 4)", "(-1, 4, 4)", "(4,"])
def test_header_that_announces_more_than_there_is_is_refused(shape, bad):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (117 - len(header)) + b"\n"
    bad(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(128), "cannot be read")


def test_archives_empty_and_damaged_files_are_refused(bad, tmp_path):
    np.savez(tmp_path / "several", turned(2), turned(2))
    bad((tmp_path / "several.npz").read_bytes(), "archive")
    bad(b"", "empty")
    bad("Dear colleague,\nthe poses are attached.\n", "line 1", "16 numbers", name="poses.csv")
    bad("# nothing but a comment\n", "at least one pose", name="poses.csv")
    bad(("1," * 15 + "x\n") * 2, "line 1", "'x'", name="poses.csv")
    bad(("1," * 15 + "1\n") + "1,2,3\n", "line 2", "3 words", name="poses.csv")
    bad(b"\xff\xfe\x00" * 10, "UTF-8", name="poses.txt")
    with pytest.raises(FemtmsError, match="no such file"):
        read_poses(tmp_path / "missing.npy")
    with pytest.raises(FemtmsError, match="folder"):
        read_poses(tmp_path)
