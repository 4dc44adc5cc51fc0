public import NanoAutograd
public import NanoTensor

/// The two-layer network `W₂ relu(W₁ x + b₁) + b₂` of a classic transformer block.
public struct FeedForward: Layer {
  public var expansion: Linear
  public var contraction: Linear

  public init(width: Int, hiddenWidth: Int, using generator: inout RandomGenerator) {
    expansion = Linear(inputs: width, outputs: hiddenWidth, using: &generator)
    contraction = Linear(inputs: hiddenWidth, outputs: width, using: &generator)
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    contraction(expansion(input, in: context).relu(), in: context)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try expansion.visitParameters(name.part("expansion"), visit)
    try contraction.visitParameters(name.part("contraction"), visit)
  }
}
