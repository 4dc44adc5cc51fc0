#!/usr/bin/env python3
"""Compiles every CUDA kernel without a GPU and prints what it needs: registers, spills and shared memory.

    pip install nvidia-cuda-nvrtc==13.0.88
    python3 Tools/gpu/compile_kernels.py [--architecture sm_90] [FILE...]

A line of the form INSTANCE(...) that a file makes kernels with on demand is added by --instance FILE=LINE.
Exits with 1 if a file does not compile or a kernel spills registers.
"""

import argparse
import ctypes
import glob
import os
import re
import sys

KERNELS = os.path.join(os.path.dirname(__file__), "..", "..", "Sources", "CUDA", "Kernels")
INSTANCES = {
    "attention.cu": ["ATTENTION_BFLOAT16(64, 64, 128, 1)", "ATTENTION_BFLOAT16(48, 32, 128, 1)"],
    "attention_float.cu": ["ATTENTION_FLOAT32(64, 64, 1)"],
}


def nvrtc():
    """The library of the Python package; its built-in functions are loaded first, since it looks for them by name."""
    import importlib.util

    roots = list(importlib.util.find_spec("nvidia").submodule_search_locations)
    found = [p for r in roots for p in glob.glob(f"{r}/*/lib/libnvrtc*.so*") if ".alt." not in p]
    for path in sorted(found, key=lambda p: "builtins" not in p):
        library = ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
    return library


def compiled(library, path, architecture, instances):
    """Whether the file compiles, and the compiler's words."""
    headers = sorted(glob.glob(f"{KERNELS}/*.cuh"))
    texts = [open(h, "rb").read() for h in headers]
    names = [os.path.basename(h).encode() for h in headers]
    source = open(path, "rb").read() + "\n".join(["", *instances, ""]).encode()
    program = ctypes.c_void_p()
    array = ctypes.c_char_p * len(headers)
    library.nvrtcCreateProgram(
        ctypes.byref(program), source, os.path.basename(path).encode(), len(headers), array(*texts), array(*names)
    )
    options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17", b"--ptxas-options=-v"]
    status = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    return status == 0, log.value.decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", default=sorted(glob.glob(f"{KERNELS}/*.cu")))
    parser.add_argument("--architecture", default="sm_90")
    parser.add_argument("--instance", action="append", default=[], help="FILE=LINE")
    arguments = parser.parse_args()
    library, failed = nvrtc(), False
    for path in arguments.files:
        name = os.path.basename(path)
        lines = INSTANCES.get(name, []) + [i.split("=", 1)[1] for i in arguments.instance if i.startswith(name + "=")]
        good, log = compiled(library, path, arguments.architecture, lines)
        print(f"{name}: {'compiles' if good else 'DOES NOT COMPILE'}")
        if not good:
            print(log)
        kernels = re.findall(
            r"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores.*?Used (\d+) registers(?:.*?(\d+) bytes smem)?",
            log,
            re.S,
        )
        for kernel, spills, registers, shared in kernels:
            print(f"  {kernel:50} {registers:>4} registers {shared or 0:>6} bytes shared, {spills} spilled")
            failed |= int(spills) > 0
        failed |= not good
    sys.exit(failed)


if __name__ == "__main__":
    main()
