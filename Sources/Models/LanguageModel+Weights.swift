internal import NanoAutograd
public import NanoTensor

/// Saved weights that do not fit the model.
public struct WeightMismatch: Error, Hashable, CustomStringConvertible {
  /// The tensor and what does not fit.
  public let description: String

  /// An error whose message is shown as it stands.
  public init(description: String) { self.description = description }
}

extension LanguageModel {
  /// All weights by name, in order, on the host.
  public var weights: [(name: String, tensor: Tensor)] {
    namedParameters.map { ($0.name, $0.parameter.value.on(.cpu)) }
  }

  /// Replaces all weights.
  /// - Throws: when a tensor is missing, has another shape, is left over, or is not finite; the model is
  ///   then unchanged.
  public mutating func loadWeights(_ tensors: [String: Tensor]) throws(WeightMismatch) {
    var loaded = self
    var unused = Set(tensors.keys)
    try loaded.visitParameters(.root()) { (name, parameter) throws(WeightMismatch) in
      guard let tensor = tensors[name.text] else {
        throw WeightMismatch(description: "tensor '\(name.text)' is missing")
      }
      guard tensor.shape == parameter.value.shape else {
        throw WeightMismatch(
          description: "tensor '\(name.text)' has shape \(tensor.shape), the model needs "
            + "\(parameter.value.shape)")
      }
      guard tensor.isFinite else {
        throw WeightMismatch(description: "tensor '\(name.text)' has elements that are not finite")
      }
      unused.remove(name.text)
      parameter.value = tensor.on(parameter.value.device)
    }
    if let name = unused.min() {
      throw WeightMismatch(description: "tensor '\(name)' belongs to no parameter of this model")
    }
    self = loaded
  }
}
