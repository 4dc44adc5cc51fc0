#define MODULE "../CUDA/Kernels/activations.cu"
#include "../emulated_module.inc"
