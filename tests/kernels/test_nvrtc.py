"""Every CUDA kernel compiles for the GPUs in use; NVRTC needs neither a GPU nor a driver."""

import pytest

from femtms.core import gpu_options, gpu_signatures, gpu_source


@pytest.fixture(scope="module")
def nvrtc():
    try:
        from cupy.cuda import nvrtc

        nvrtc.getVersion()
    except Exception as error:  # CuPy is missing, or finds no NVRTC library: many types
        pytest.skip(f"NVRTC cannot be used: {' '.join(str(error).split())}")
    return nvrtc


def compiled(nvrtc, text: str, arch: str) -> bytes:
    """Machine code, compiled with the options of cupy.RawModule; ValueError with the log of the compiler."""
    program = nvrtc.createProgram(text, "core.cu", (), ())
    options = (*gpu_options(), "-ftz=true", f"-arch={arch}", "--device-as-default-execution-space")
    try:
        nvrtc.compileProgram(program, options)
        return nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError as error:
        raise ValueError(f"{error}\n{nvrtc.getProgramLog(program)}") from None
    finally:
        nvrtc.destroyProgram(program)


@pytest.mark.parametrize("arch", ["sm_70", "sm_75", "sm_80", "sm_90", "sm_100", "sm_120"])
def test_kernels_compile(nvrtc, arch):
    if int(arch[3:]) not in nvrtc.getSupportedArchs():
        pytest.skip(f"NVRTC {nvrtc.getVersion()} does not know {arch}")
    cubin = compiled(nvrtc, gpu_source(), arch)
    for kernel in gpu_signatures():
        assert f".text.{kernel}\0".encode() in cubin, kernel


@pytest.mark.parametrize(
    "broken, message",
    [("KERNEL f(int n) { n = ; }", "expected an expression"),
     ("KERNEL f(int n) { n = m; }", 'identifier "m" is undefined')],
)  # fmt: skip
def test_broken_kernels_do_not_compile(nvrtc, broken, message):
    with pytest.raises(ValueError, match=message):
        compiled(nvrtc, gpu_source() + broken, "sm_80")


def test_a_gpu_that_does_not_exist_is_an_error(nvrtc):
    with pytest.raises(ValueError, match="gpu-architecture"):
        compiled(nvrtc, gpu_source(), "sm_1")
