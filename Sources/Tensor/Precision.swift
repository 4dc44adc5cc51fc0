/// What the matrix products of linear layers read. Master weights, accumulation, normalization, softmax,
/// losses and optimizer state are float32 in every case.
public enum Precision: String, CaseIterable, Hashable, Sendable, Codable {
  /// float32 operands.
  case float32 = "fp32"
  /// Operands split into two bfloat16 halves and multiplied in three products, about 4e-6 relative error.
  /// Faster than float32 where the machine has AMX; plain float32 elsewhere.
  case float32Split = "fp32-split"
  /// Operands rounded to bfloat16. Faster where the machine has AMX; elsewhere the same rounding with
  /// float32 arithmetic, which costs time and gives the same study.
  case bfloat16 = "bf16"
}
