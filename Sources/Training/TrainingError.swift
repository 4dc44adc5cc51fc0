/// Why training stopped.
public enum TrainingError: Error, Hashable, CustomStringConvertible {
  /// The loss, or the gradient of a tensor, became infinite or NaN. The weights are those before the step.
  case notFinite(step: Int, tensor: String)
  /// A step needed more tensor bytes than the limit, or than the system granted. The weights are those before the step.
  case memoryLimit(step: Int, needed: Int, limit: Int)

  /// A GPU failed.
  case device(step: Int, reason: String)

  public var description: String {
    switch self {
    case .notFinite(let step, let tensor):
      "step \(step): \(tensor) is not finite; the last good weights are kept. Try a lower learning rate"
    case .memoryLimit(let step, let needed, let limit):
      "step \(step): tensors need at least \(needed / 1_000_000) MB and may hold \(limit / 1_000_000) MB; "
        + "raise the limit or what the system grants, or reduce the batch, the context or the size"
    case .device(let step, let reason): "step \(step): \(reason)"
    }
  }
}
