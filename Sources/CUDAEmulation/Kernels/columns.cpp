#define MODULE "../CUDA/Kernels/columns.cu"
#include "../emulated_module.inc"
