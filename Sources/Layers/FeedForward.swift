public import NanoAutograd
public import NanoTensor

/// The two-layer network `W₂ activation(W₁ x + b₁) + b₂` of a classic transformer block.
public struct FeedForward: Layer {
  public enum Activation: String, Hashable, Sendable, Codable {
    case relu
    /// In its exact (erf) form.
    case gelu
    /// In the tanh form of GPT-2.
    case geluTanh = "gelu-tanh"

    fileprivate var operation: FeedForwardActivation {
      switch self {
      case .relu: .relu
      case .gelu: .gelu
      case .geluTanh: .geluTanh
      }
    }
  }

  public var expansion: Linear
  public var contraction: Linear
  public let activation: Activation

  /// Weights and biases as PyTorch's `nn.Linear`, a ReLU between them.
  public init(width: Int, hiddenWidth: Int, using generator: inout RandomGenerator) {
    self.init(
      expansion: Linear(inputs: width, outputs: hiddenWidth, using: &generator),
      contraction: Linear(inputs: hiddenWidth, outputs: width, using: &generator),
      activation: .relu)
  }

  public init(expansion: Linear, contraction: Linear, activation: Activation) {
    self.expansion = expansion
    self.contraction = contraction
    self.activation = activation
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    input.feedForward(
      expansion: expansion, contraction: contraction, activation: activation.operation, in: context)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try expansion.visitParameters(name.part("expansion"), visit)
    try contraction.visitParameters(name.part("contraction"), visit)
  }
}

extension Variable {
  /// Two linear layers with an activation between them, as one operation.
  func feedForward(
    expansion: Linear, contraction: Linear, activation: FeedForwardActivation,
    in context: ForwardContext
  ) -> Variable {
    let tape = context.tape
    return feedForward(
      expansion: tape.variable(expansion.weight),
      expansionBias: expansion.bias.map { tape.variable($0) },
      contraction: tape.variable(contraction.weight),
      contractionBias: contraction.bias.map { tape.variable($0) }, activation: activation)
  }
}
