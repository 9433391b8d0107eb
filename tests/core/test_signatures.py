"""What kernels take is read from their source, and whatever else comes is refused."""

import numpy as np
import pytest

from femtms import core
from femtms.core.signatures import signatures

FIT = signatures(
    "KERNEL fit(\n    const int64 n, const bool fine, const double h, const double* RESTRICT x /* n,3 */,\n"
    "    const int* rows /* e */, const float* values /* e */, int64* starts /* n+1 */, uint8* out /* 2*e,n */)"
)["fit"]


def arguments(**other):
    """Right ones, but for some."""
    right = {
        "n": 4,
        "fine": True,
        "h": 0.5,
        "x": np.zeros((4, 3)),
        "rows": np.zeros(7, np.int32),
        "values": np.zeros(7, np.float32),
        "starts": np.zeros(5, np.int64),
        "out": np.zeros((14, 4), np.uint8),
    }
    return tuple((right | other).values())


def test_types_and_shapes_are_read():
    assert [p.name for p in FIT.parameters] == ["n", "fine", "h", "x", "rows", "values", "starts", "out"]
    assert [p.dtype.name for p in FIT.parameters[3:]] == ["float64", "int32", "float32", "int64", "uint8"]
    assert [p.const for p in FIT.parameters[3:]] == [True, True, True, False, False]
    assert FIT.parameters[-1].shape == (("2", "*", "e"), ("n", "", ""))
    assert FIT.parameters[0].shape is None
    assert signatures("static KERNEL f(int n)\n// KERNEL g(int n)\n") == {}  # only at the start of a line


@pytest.mark.parametrize("parameter", ["short n", "const n", "double", "const double* x /* n,3", "std::vector<int> n"])
def test_a_parameter_that_cannot_be_read_is_named(parameter):
    with pytest.raises(ValueError, match=r"kernel 'f': cannot read the parameter"):
        signatures(f"KERNEL f({parameter})")


@pytest.mark.parametrize(
    "text, words",
    [
        ("const int n, double* x /* n-1 */", "cannot read the length 'n-1' of 'x'; write a number, a name, or two"),
        ("double* x /* n+1 */, const int n", "'n' must come before 'x', whose length it is in"),
    ],
)
def test_a_length_that_cannot_be_read_is_named(text, words):
    with pytest.raises(ValueError, match=f"kernel 'f': {words}"):
        signatures(f"KERNEL f({text})")


def test_only_what_may_be_absent_is():
    kernel = signatures("KERNEL f(const double* x /* n,3 */, const int* rows /* n? */, int* out /* n */)")["f"]
    x, out = np.zeros((4, 3)), np.zeros(4, np.int32)
    assert kernel.checked((x, None, out))[1] is None
    for wrong in (None, out, out), (x, out, None):
        with pytest.raises(TypeError, match=r"of f must be a C-contiguous array of .*; got None"):
            kernel.checked(wrong)


def test_numbers_that_would_be_cut_are_refused():
    kernel = signatures("KERNEL f(const int n, const int64 m)")["f"]
    assert kernel.checked((2**31 - 1, 2**40)) == [2**31 - 1, 2**40]
    with pytest.raises(ValueError, match=r"'n' of f must be below 2\^31; got 4,294,967,297"):
        kernel.checked((2**32 + 1, 0))


def test_right_arguments_pass_as_they_are():
    given = arguments()
    passed = FIT.checked(given)
    assert passed[:3] == [4, True, 0.5]
    assert all(a is b for a, b in zip(passed[3:], given[3:]))
    assert FIT.checked(arguments(n=np.int32(4), h=np.float32(0.5)))[:3] == [4, True, 0.5]


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("n", 4.0, "'n' of fit must be a number, int64; got 4.0"),
        ("n", None, "'n' of fit must be a number, int64; got None"),
        ("h", "half", "'h' of fit must be a number, float64; got 'half'"),
        ("x", np.zeros((4, 3), np.float32), "'x' of fit must be a C-contiguous array of float64; got one of float32"),
        ("x", np.zeros((3, 4)).T, r"'x' .* got one of float64 with shape \(4, 3\) and strides \(8, 32\)"),
        ("x", np.zeros((4, 6))[:, ::2], r"'x' .* with shape \(4, 3\) and strides \(48, 16\)"),
        ("x", np.zeros((4, 3), ">f8"), "'x' .* got one of >f8"),
        ("x", [[0.0, 0, 0]] * 4, r"'x' .* got \[\[0.0"),
        ("rows", np.zeros(7), "'rows' of fit must be a C-contiguous array of int32; got one of float64"),
        ("out", np.zeros((14, 4), bool), "'out' of fit must be a C-contiguous array of uint8; got one of bool"),
    ],
)
def test_other_types_and_strides_are_refused(name, value, words):
    with pytest.raises(TypeError, match=words):
        FIT.checked(arguments(**{name: value}))


@pytest.mark.parametrize(
    "name, shape, dtype, words",
    [
        ("x", (5, 3), np.float64, r"'x' of fit must be \(n,3\) with n = 4, .*; got \(5, 3\)"),
        ("x", (12,), np.float64, r"'x' of fit must be \(n,3\) .*; got \(12,\)"),
        ("values", (6,), np.float32, r"'values' of fit must be \(e\) with .* e = 7; got \(6,\)"),
        ("starts", (4,), np.int64, r"'starts' of fit must be \(n\+1\) with n = 4, .*; got \(4,\)"),
        ("out", (7, 4), np.uint8, r"'out' of fit must be \(2\*e,n\) with .* e = 7; got \(7, 4\)"),
    ],
)
def test_other_shapes_are_refused(name, shape, dtype, words):
    with pytest.raises(ValueError, match=words):
        FIT.checked(arguments(**{name: np.zeros(shape, dtype)}))


def test_the_number_of_arguments_is_told():
    with pytest.raises(TypeError, match="fit takes 8 arguments; got 7"):
        FIT.checked(arguments()[:-1])


def test_what_is_written_to_must_be_writable():
    nodes, tets = np.eye(4, 3), np.arange(4, dtype=np.int32)[None]
    nodes.flags.writeable = tets.flags.writeable = False  # what is only read may be
    core.call("signed_volumes", 1, nodes, tets, np.empty(1))
    volumes = np.empty(1)
    volumes.flags.writeable = False
    with pytest.raises(ValueError, match="'volumes' of signed_volumes is written to, but came read-only"):
        core.call("signed_volumes", 1, nodes, tets, volumes)


def test_every_kernel_can_be_read_and_is_in_the_library():
    kernels = core.cpu_signatures()
    assert len(kernels) > 100
    for name in kernels:
        assert core._function(name)[1].name == name
    with pytest.raises(AttributeError, match="there is no kernel 'no_such_kernel' in "):
        core.call("no_such_kernel")
