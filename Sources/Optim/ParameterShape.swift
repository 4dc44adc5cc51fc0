internal import NanoPreconditions
public import NanoTensor

/// What an optimizer must know of a parameter's form. A tensor's rank alone does not tell an embedding
/// table from a weight matrix, nor outputs from inputs; so both are declared.
public struct ParameterShape: Hashable, Sendable, Codable {
  /// Which axis of a matrix comes first in memory.
  public enum Order: String, Hashable, Sendable, Codable {
    /// One row an output, as PyTorch stores linear weights.
    case outputsByInputs
    /// One row an input, as JAX and GPT-2 checkpoints store them.
    case inputsByOutputs
  }

  private enum Kind: Hashable, Sendable, Codable {
    case vector
    case table
    case matrices(count: Int, outputs: Int, inputs: Int, order: Order)
  }

  private let kind: Kind
  /// Numbers of the whole parameter.
  public let elementCount: Int

  /// Gains, biases and other parameters without a matrix's meaning.
  public static func vector(count: Int) -> Self { Self(kind: .vector, elementCount: count) }

  /// Rows looked up one by one (embeddings) or a head that makes logits: never orthogonalized.
  public static func table(rows: Int, columns: Int) -> Self {
    Self(kind: .table, elementCount: rows * columns)
  }

  /// One matrix inside the network.
  public static func matrix(outputs: Int, inputs: Int, order: Order = .outputsByInputs) -> Self {
    .matrices(1, outputs: outputs, inputs: inputs, order: order)
  }

  /// A stack of equal matrices, each contiguous: experts, or the heads of a fused query-key-value weight.
  public static func matrices(
    _ count: Int, outputs: Int, inputs: Int, order: Order = .outputsByInputs
  ) -> Self {
    checkPrecondition(
      count > 0 && outputs > 0 && inputs > 0,
      "ParameterShape.matrices: \(count) of \(outputs)×\(inputs)")
    return Self(
      kind: .matrices(count: count, outputs: outputs, inputs: inputs, order: order),
      elementCount: count * outputs * inputs)
  }

  /// Whether this is a matrix or a stack of them.
  public var isMatrix: Bool { matrixStack != nil }

  /// Whether weight decay is customary: matrices and tables, not gains and biases.
  public var isDecayed: Bool { kind != .vector }

  /// The role of most parameters of this form.
  var customaryRole: Parameter.Role {
    switch kind {
    case .vector: .bias
    case .table: .embedding
    case .matrices(let count, _, _, _): .hiddenMatrix(count: count)
    }
  }

  /// The matrix or matrices, as they were declared; nil for a vector or a table.
  public var matrixStack: MatrixStack? {
    guard case .matrices(let count, let outputs, let inputs, let order) = kind else { return nil }
    return MatrixStack(count: count, outputs: outputs, inputs: inputs, order: order)
  }
}

/// Equal row-major matrices one behind the other.
public struct MatrixStack: Hashable, Sendable {
  /// Matrices, and the extents of each.
  public let count, outputs, inputs: Int
  /// Which axis comes first in memory.
  public let order: ParameterShape.Order

  /// Of each matrix in memory.
  public var rows: Int { order == .outputsByInputs ? outputs : inputs }
  /// Numbers of a row, as it lies in memory.
  public var columns: Int { order == .outputsByInputs ? inputs : outputs }
  /// Numbers of one matrix.
  public var matrixElementCount: Int { rows * columns }

  /// Where each matrix lies in the parameter.
  public var ranges: [Range<Int>] {
    (0..<count).map { $0 * matrixElementCount..<($0 + 1) * matrixElementCount }
  }
}

/// A parameter's name, form and role.
public struct ParameterDescription: Hashable, Sendable, Codable {
  /// As the model's checkpoints name it.
  public let name: String
  /// Its form.
  public let shape: ParameterShape
  /// What it is for.
  public let role: Parameter.Role

  /// - Parameter role: what the parameter is for; by default what the form suggests: a hidden matrix, an embedding, a
  ///   bias.
  public init(name: String, shape: ParameterShape, role: Parameter.Role? = nil) {
    self.name = name
    self.shape = shape
    self.role = role ?? shape.customaryRole
  }

  /// A parameter of a model. Hidden matrices, experts and routers are matrices; embeddings and the head, matrices in
  /// memory too, are tables.
  public init(_ parameter: Parameter, name: String) {
    let (rows, columns) = (parameter.value.shape.rowCount, parameter.value.shape.width)
    let shape: ParameterShape =
      switch parameter.role {
      case .hiddenMatrix(let count), .expertMatrix(let count):
        .matrices(count, outputs: rows / count, inputs: columns)
      case .router: .matrix(outputs: rows, inputs: columns)
      case .embedding, .outputHead: .table(rows: rows, columns: columns)
      case .gain, .bias, .state: .vector(count: parameter.value.elementCount)
      }
    self.init(name: name, shape: shape, role: parameter.role)
  }
}
