#define MODULE "../CUDA/Kernels/norms.cu"
#include "../emulated_module.inc"
