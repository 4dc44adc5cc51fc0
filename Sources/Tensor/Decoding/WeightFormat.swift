/// How weights lie in memory while a model writes text: fewer bits are read in less time. Arithmetic is float32.
public enum WeightFormat: String, CaseIterable, Hashable, Sendable {
  /// As they were trained.
  case float32 = "fp32"
  /// Rounded to bfloat16.
  case bfloat16 = "bf16"
  /// From -127 to 127, times one factor a row of the matrix, `max |w| / 127`.
  case int8
}
