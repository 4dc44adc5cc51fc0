internal import NanoTensor

/// How fresh weights are drawn.
public enum Initialization: Hashable, Sendable, Codable {
  /// Weights and biases uniform on ±1/√inputs, as PyTorch's `nn.Linear` has them.
  case pyTorch
  /// Weights normal, biases zero, as GPT-2 and DeepSeek have them.
  case normal(standardDeviation: Float)
  /// Weights and biases zero.
  case zero

  /// - Parameter inputs: of each output; what PyTorch calls the fan-in.
  func weight(_ shape: Shape, inputs: Int, using generator: inout RandomGenerator) -> Tensor {
    switch self {
    case .pyTorch: Tensor(uniformWithin: 1 / Float(inputs).squareRoot(), shape: shape, using: &generator)
    case .normal(let deviation): Tensor(normal: shape, standardDeviation: deviation, using: &generator)
    case .zero: Tensor(zeros: shape)
    }
  }

  /// - Parameter inputs: of the weight that the bias belongs to.
  func bias(_ shape: Shape, inputs: Int, using generator: inout RandomGenerator) -> Tensor {
    switch self {
    case .pyTorch: weight(shape, inputs: inputs, using: &generator)
    case .normal, .zero: Tensor(zeros: shape)
    }
  }
}
