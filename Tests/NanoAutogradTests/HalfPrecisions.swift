import NanoAutograd
import NanoTensor

/// Precisions of 16 bits, each with the format of what it keeps.
let halfPrecisions: [(Precision, HalfTensor.Format)] = [
  (.bfloat16, .bfloat16), (.float16, .float16),
]

/// As it is after a stay in 16 bits.
func rounded(_ tensor: Tensor, _ format: HalfTensor.Format) -> Tensor {
  HalfTensor(tensor, format: format).tensor
}
