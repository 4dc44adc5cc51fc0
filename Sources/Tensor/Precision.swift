/// What matrix products read: those of linear layers, experts, attention and Newton-Schulz. In 16 bits are then also the
/// activations that are kept for the backward pass, and activations and gradients that only products read: what norms
/// give, queries, keys, values, what attention gives, and what lies inside feed-forward networks and experts. Master
/// weights, accumulation, the arithmetic of norms, softmax, losses and optimizer state are float32 in every case.
public enum Precision: String, CaseIterable, Hashable, Sendable, Codable {
  /// float32 operands.
  case float32 = "fp32"
  /// Operands split into two parts of fewer bits and multiplied in three products: bfloat16, about 4e-6 relative error, on
  /// a CPU with AMX; TF32, about 5e-7, in large products on a GPU. Faster than float32 there; plain float32 elsewhere.
  case float32Split = "fp32-split"
  /// Operands rounded to bfloat16. Faster where the machine has AMX, or from AMD's Zen 4 on AVX512_BF16; elsewhere the
  /// same rounding with float32 arithmetic, which costs time and gives the same study.
  case bfloat16 = "bf16"
  /// Operands rounded to IEEE half precision, in float32 arithmetic. Its narrow range asks for a loss scale.
  case float16 = "fp16"

  /// The format of activations that are kept for the backward pass or that only products read; nil for as they are.
  public var activationFormat: HalfTensor.Format? {
    switch self {
    case .float32, .float32Split: nil
    case .bfloat16: .bfloat16
    case .float16: .float16
    }
  }
}
