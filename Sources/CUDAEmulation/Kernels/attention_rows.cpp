#define MODULE "../CUDA/Kernels/attention_rows.cu"
#include "../emulated_module.inc"
