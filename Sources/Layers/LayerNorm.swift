public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// `y = g · (x - mean) / √(variance + ε) + b` over each row.
public struct LayerNorm: Layer {
  /// W factors.
  public var gain: Parameter
  /// W addends.
  public var bias: Parameter
  /// Added to the variance.
  public let epsilon: Float

  /// Given gain and bias, one number a channel each.
  public init(gain: Tensor, bias: Tensor, epsilon: Float = 1e-5) {
    checkPrecondition(
      gain.shape.rank == 1 && gain.elementCount > 0 && gain.shape == bias.shape,
      "LayerNorm: gain \(gain.shape), bias \(bias.shape)")
    self.gain = Parameter(gain, role: .gain)
    self.bias = Parameter(bias, role: .bias)
    self.epsilon = epsilon
  }

  /// Gain 1 and bias 0.
  public init(width: Int, epsilon: Float = 1e-5) {
    checkPrecondition(width > 0, "LayerNorm: width \(width)")
    self.init(gain: Tensor(repeating: 1, shape: [width]), bias: Tensor(zeros: [width]), epsilon: epsilon)
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
