#define MODULE "../CUDA/Kernels/embedding.cu"
#include "../emulated_module.inc"
