#define MODULE "Kernels/attention_float.inc"
#include "../emulated_module.inc"
