public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// `y = g · x / √(mean(x²) + ε)` over each row.
public struct RMSNorm: Layer {
  /// W factors.
  public var gain: Parameter
  /// Added to the mean square.
  public let epsilon: Float

  /// A given gain, one factor a channel.
  public init(gain: Tensor, epsilon: Float = 1e-6) {
    checkPrecondition(gain.shape.rank == 1 && gain.elementCount > 0, "RMSNorm: gain \(gain.shape)")
    self.gain = Parameter(gain, role: .gain)
    self.epsilon = epsilon
  }

  /// Gain 1.
  public init(width: Int, epsilon: Float = 1e-6) {
    checkPrecondition(width > 0, "RMSNorm: width \(width)")
    self.init(gain: Tensor(repeating: 1, shape: [width]), epsilon: epsilon)
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    input.rmsNorm(gain: context.tape.variable(gain), epsilon: epsilon)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try visit(name.part("weight"), &gain)
  }
}

extension Variable {
  /// The norm of every head of every row, heads side by side.
  func normalizingHeads(_ norm: RMSNorm, in context: ForwardContext) -> Variable {
    let (shape, headWidth) = (shape, norm.gain.value.elementCount)
    let heads = reshaped([shape.elementCount / headWidth, headWidth])
    return norm(heads, in: context).reshaped([shape.rowCount, shape.width])
  }
}
