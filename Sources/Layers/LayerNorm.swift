public import NanoAutograd
internal import NanoPreconditions
internal import NanoTensor

/// `y = g · (x - mean) / √(variance + ε) + b` over each row.
public struct LayerNorm: Layer {
  public var gain: Parameter
  public var bias: Parameter
  public let epsilon: Float

  /// Gain 1 and bias 0.
  public init(width: Int, epsilon: Float = 1e-5) {
    checkPrecondition(width > 0, "LayerNorm: width \(width)")
    gain = Parameter(Tensor(repeating: 1, shape: [width]), role: .gain)
    bias = Parameter(Tensor(zeros: [width]), role: .bias)
    self.epsilon = epsilon
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    input.layerNorm(
      gain: context.tape.variable(gain), bias: context.tape.variable(bias), epsilon: epsilon)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try visit(name.part("weight"), &gain)
    try visit(name.part("bias"), &bias)
  }
}
