// The signatures of layers speak of tapes, variables, tensors and random numbers, so whoever imports
// NanoLayers has them too.

@_exported public import NanoAutograd
@_exported public import NanoTensor
