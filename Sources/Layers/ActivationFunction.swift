public import NanoAutograd

/// What an MLP has between its two maps, by the name that configurations and `activation=` have for it.
///
/// An ``MLP`` by itself takes other functions of a `Variable`, too.
public enum ActivationFunction: String, CaseIterable, Hashable, Sendable, Codable {
  /// `max(x, 0)`.
  case relu
  /// `x Φ(x)`, in its exact (erf) form.
  case gelu
  /// The same in the tanh form of GPT-2.
  case geluTanh = "gelu-tanh"
  /// `max(x, 0)²`.
  /// - SeeAlso: So et al., 2021, "Primer", arXiv:2109.08668.
  case reluSquared = "relu-squared"

  /// The function of every element.
  public func callAsFunction(_ input: Variable) -> Variable {
    switch self {
    case .relu: return input.relu()
    case .gelu: return input.gelu(.exact)
    case .geluTanh: return input.gelu(.tanh)
    case .reluSquared:
      let positive = input.relu()
      return positive * positive
    }
  }

  /// Its name to the operation that computes both maps at once; nil if that does not know it.
  var fused: FeedForwardActivation? {
    switch self {
    case .relu: .relu
    case .gelu: .gelu
    case .geluTanh: .geluTanh
    case .reluSquared: nil
    }
  }
}
