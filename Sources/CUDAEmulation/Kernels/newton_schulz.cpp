#define MODULE "../CUDA/Kernels/newton_schulz.cu"
#include "../emulated_module.inc"
