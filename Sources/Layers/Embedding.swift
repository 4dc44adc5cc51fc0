public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// A table of one learned row for each index.
public struct Embedding: ParameterContainer {
  /// count × width.
  public var table: Parameter

  /// Rows normal with the given standard deviation; 1 as PyTorch's `nn.Embedding`.
  public init(
    count: Int, width: Int, standardDeviation: Float = 1, using generator: inout RandomGenerator
  ) {
    checkPrecondition(count > 0 && width > 0, "Embedding: \(count) rows of \(width)")
    table = Parameter(
      Tensor(normal: [count, width], standardDeviation: standardDeviation, using: &generator),
      role: .embedding)
  }

  /// - Returns: indices.count × width.
  public func callAsFunction(_ indices: [Int32], in context: ForwardContext) -> Variable {
    context.tape.variable(table).gathered(indices)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try visit(name.part("weight"), &table)
  }
}
