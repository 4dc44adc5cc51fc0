#!/usr/bin/env bash
# NVIDIA's run-time compiler from its Python wheel, opened by its full path, does not find the library of built-in functions
# that lies beside it.
#
# Package: nvidia-cuda-nvrtc 13.0.88 (PyPI, Linux x86-64). No GPU and no driver are needed.
# Guess: a library looks in its own folder, or its run path names it, so that dlopen("…/libnvrtc.so.13") suffices.
# Seen:  nvrtcCompileProgram returns 7 (NVRTC_ERROR_BUILTIN_OPERATION_FAILURE) and its log says
#          nvrtc: error: failed to open libnvrtc-builtins.so.13.0.
#        It is found on the loader's path only. But where a process has opened the built-ins by their full path before, the
#        loader knows the name, and the same program compiles: no LD_LIBRARY_PATH is needed, which could not be set from
#        within a process that has begun.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/packages" nvidia-cuda-nvrtc==13.0.88

cat >"$folder/compile.py" <<'PYTHON'
import ctypes
import glob
import sys

libraries = glob.glob(sys.argv[1] + "/nvidia/*/lib/libnvrtc*.so*")
builtins = [path for path in libraries if "builtins" in path and ".alt." not in path]
compiler = [path for path in libraries if "builtins" not in path and ".alt." not in path]
if sys.argv[2] == "builtins-first":
    for path in builtins:
        ctypes.CDLL(path)
nvrtc = ctypes.CDLL(compiler[0])
program = ctypes.c_void_p()
source = b'extern "C" __global__ void one(float *x) { x[0] = 1; }'
assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"one.cu", 0, None, None) == 0
options = (ctypes.c_char_p * 1)(b"--gpu-architecture=sm_90")
status = nvrtc.nvrtcCompileProgram(program, 1, options)
size = ctypes.c_size_t()
nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
log = ctypes.create_string_buffer(size.value)
nvrtc.nvrtcGetProgramLog(program, log)
print(status, log.value.decode().split("\n")[0])
PYTHON

unset LD_LIBRARY_PATH
plain=$(python3 "$folder/compile.py" "$folder/packages" plain)
first=$(python3 "$folder/compile.py" "$folder/packages" builtins-first)
echo "opened alone:           $plain"
echo "built-ins opened first: $first"
case $plain in "7 nvrtc: error: failed to open libnvrtc-builtins.so"*) ;; *) echo "changed: opened alone it says otherwise"; exit 1 ;; esac
[ "${first%% *}" = 0 ] || { echo "changed: opening the built-ins first does not suffice"; exit 1; }
