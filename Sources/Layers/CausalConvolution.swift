public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// A causal depthwise convolution along each sequence: `y_t = Σ_k w_k ⊙ x_(t-k)`, with zeros before the first position.
/// - SeeAlso: So et al., "Primer", 2021, arXiv:2109.08668.
public struct CausalConvolution: Layer {
  /// positions × width: the factors on a position itself first, then those on the positions before it.
  public var weight: Parameter

  /// Given weights.
  public init(weight: Tensor) {
    checkPrecondition(weight.shape.rank == 2 && weight.elementCount > 0, "CausalConvolution: weight \(weight.shape)")
    self.weight = Parameter(weight, role: .gain)
  }

  /// The identity: 1 on a position itself, 0 on those before it.
  /// - Parameter kernelSize: positions that it spans.
  public init(width: Int, kernelSize: Int) {
    checkPrecondition(width > 0 && kernelSize > 0, "CausalConvolution: width \(width), \(kernelSize) positions")
    self.init(weight: Tensor((0..<kernelSize * width).map { $0 < width ? 1 : 0 }, shape: [kernelSize, width]))
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    input.causalConvolution(weight: context.tape.variable(weight), sequenceLength: context.sequenceLength)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try visit(name.part("weight"), &weight)
  }
}
