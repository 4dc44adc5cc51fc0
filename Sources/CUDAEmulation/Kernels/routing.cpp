#define MODULE "../CUDA/Kernels/routing.cu"
#include "../emulated_module.inc"
