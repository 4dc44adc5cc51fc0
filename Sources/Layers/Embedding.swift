public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// A table of one learned row for each index.
public struct Embedding: ParameterContainer {
  /// count × width.
  public var table: Parameter

  /// Given rows, count × width.
  public init(table: Tensor) {
    checkPrecondition(table.shape.rank == 2 && table.elementCount > 0, "Embedding: table \(table.shape)")
    self.table = Parameter(table, role: .embedding)
  }

  /// Rows normal with the given standard deviation; 1 as PyTorch's `nn.Embedding`.
  public init(
    count: Int, width: Int, standardDeviation: Float = 1, using generator: inout RandomGenerator
  ) {
    checkPrecondition(count > 0 && width > 0, "Embedding: \(count) rows of \(width)")
    self.init(table: Tensor(normal: [count, width], standardDeviation: standardDeviation, using: &generator))
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
