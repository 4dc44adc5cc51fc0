#define MODULE "Kernels/attention.inc"
#include "../emulated_module.inc"
