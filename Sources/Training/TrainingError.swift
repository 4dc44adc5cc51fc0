/// Why training stopped.
public enum TrainingError: Error, Hashable, CustomStringConvertible {
  /// The loss, or the gradient of a tensor, became infinite or NaN. The weights are those before the step.
  case notFinite(step: Int, tensor: String)

  public var description: String {
    switch self {
    case .notFinite(let step, let tensor):
      "step \(step): \(tensor) is not finite; the last good weights are kept. Try a lower learning rate"
    }
  }
}
