#define MODULE "../CUDA/Kernels/elementwise.cu"
#include "../emulated_module.inc"
