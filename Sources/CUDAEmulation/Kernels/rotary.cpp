#define MODULE "../CUDA/Kernels/rotary.cu"
#include "../emulated_module.inc"
