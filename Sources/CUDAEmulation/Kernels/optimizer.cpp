#define MODULE "../CUDA/Kernels/optimizer.cu"
#include "../emulated_module.inc"
