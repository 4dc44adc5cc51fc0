#define MODULE "../CUDA/Kernels/cross_entropy.cu"
#include "../emulated_module.inc"
