#!/usr/bin/env python3
"""Compiles the CUDA kernels for a GPU, on a machine without one, and prints what each takes.

  pip install --target nvrtc nvidia-cuda-nvrtc
  Tools/gpu/compile_kernels.py --nvrtc nvrtc/nvidia/cu13/lib [norms attention ...]

Without names all files are compiled. Those that make kernels on demand make the ones that the emulation has. Ends with 1
when a file does not compile.
"""

import argparse
import ctypes
import pathlib
import re
import sys

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "Sources"
KERNELS = SOURCES / "CUDA" / "Kernels"


class Compiler:
    def __init__(self, folder):
        # NVRTC looks for its built-in functions on the loader's path only; what is loaded already is found.
        for builtins in sorted(folder.glob("libnvrtc-builtins.so*")):
            ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
        libraries = sorted(path for path in folder.glob("libnvrtc.so*"))
        if not libraries:
            sys.exit(f"compile_kernels.py: {folder} has no libnvrtc.so; name its folder with --nvrtc")
        self.library = ctypes.CDLL(str(libraries[0]))
        self.headers = {path.name: path.read_bytes() for path in KERNELS.glob("*.cuh")}

    def compile(self, name, source, architecture):
        """Whether it compiled, and the compiler's log."""
        program, size = ctypes.c_void_p(), ctypes.c_size_t()
        texts = (ctypes.c_char_p * len(self.headers))(*self.headers.values())
        names = (ctypes.c_char_p * len(self.headers))(*(header.encode() for header in self.headers))
        self.library.nvrtcCreateProgram(
            ctypes.byref(program), source.encode(), name.encode(), len(self.headers), texts, names)
        options = [f"--gpu-architecture={architecture}", "--std=c++17", "--ptxas-options=-v"]
        status = self.library.nvrtcCompileProgram(
            program, len(options), (ctypes.c_char_p * len(options))(*(option.encode() for option in options)))
        self.library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        self.library.nvrtcGetProgramLog(program, log)
        self.library.nvrtcDestroyProgram(ctypes.byref(program))
        return status == 0, log.value.decode()


def instances(name):
    """The lines that make kernels on demand."""
    path = SOURCES / "CUDAEmulation" / "Kernels" / f"{name}.inc"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if re.fullmatch(r"[A-Z][A-Z0-9_]*\(.*\)", line)]


def resources(log):
    """One row a kernel: its name, registers, bytes of shared memory, bytes spilled."""
    for part in log.split("Compiling entry function '")[1:]:

        def number(pattern):
            found = re.search(pattern, part)
            return int(found.group(1)) if found else 0

        spilled = number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads")
        yield part.split("'")[0], number(r"Used (\d+) registers"), number(r"(\d+) bytes smem"), spilled


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="files of Sources/CUDA/Kernels, without their ending")
    parser.add_argument("--nvrtc", type=pathlib.Path, required=True, help="the folder of libnvrtc.so")
    parser.add_argument("--architecture", default="sm_90")
    arguments = parser.parse_args()
    compiler = Compiler(arguments.nvrtc)
    is_fine = True
    for name in arguments.names or sorted(path.stem for path in KERNELS.glob("*.cu")):
        source = "\n".join([(KERNELS / f"{name}.cu").read_text(), *instances(name)])
        compiled, log = compiler.compile(f"{name}.cu", source, arguments.architecture)
        if not compiled:
            is_fine = False
            print(log)
        for kernel, registers, shared_bytes, spilled in sorted(resources(log)):
            note = f", {spilled} bytes spilled" if spilled else ""
            print(f"{name}: {kernel}: {registers} registers, {shared_bytes} bytes shared{note}")
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
