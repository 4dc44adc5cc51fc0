public import NanoAutograd
public import NanoOptim
internal import NanoTensor

extension ParameterDescription {
  /// What an optimizer must know of a model's parameter. Hidden matrices and routers are matrices;
  /// embeddings and the head, matrices in memory too, are tables.
  public init(_ parameter: Parameter, name: String) {
    let (rows, columns) = (parameter.value.shape.rowCount, parameter.value.shape.width)
    let shape: ParameterShape =
      switch parameter.role {
      case .hiddenMatrix(let count): .matrices(count, outputs: rows / count, inputs: columns)
      case .router: .matrix(outputs: rows, inputs: columns)
      case .embedding, .outputHead: .table(rows: rows, columns: columns)
      case .gain, .bias, .state: .vector(count: parameter.value.elementCount)
      }
    self.init(name: name, shape: shape)
  }
}
