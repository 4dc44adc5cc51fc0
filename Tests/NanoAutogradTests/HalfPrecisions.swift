import NanoAutograd
import NanoTensor

let halfPrecisions: [(Precision, HalfTensor.Format)] = [
  (.bfloat16, .bfloat16), (.float16, .float16),
]

func rounded(_ tensor: Tensor, _ format: HalfTensor.Format) -> Tensor {
  HalfTensor(tensor, format: format).tensor
}
