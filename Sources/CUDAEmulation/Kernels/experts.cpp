#define MODULE "../CUDA/Kernels/experts.cu"
#include "../emulated_module.inc"
