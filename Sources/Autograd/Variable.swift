public import NanoTensor

/// A place on a tape.
public struct Node: Sendable {
  let index: Int
  static let constant = Node(index: -1)
  /// Whether nothing asks for a gradient here.
  public var isConstant: Bool { index < 0 }
}

/// A tensor on a tape.
public struct Variable {
  private let result: Result
  /// Its place on the tape.
  public let node: Node
  /// The tape must outlive its variables.
  public unowned let tape: Tape
  /// Of a parameter's variable: where products look for its elements packed.
  private let packedWeights: PackedWeights?

  /// The elements in 32 bits, which are made anew each time if the variable has them in 16.
  public var value: Tensor { content.tensor }
  /// The value's.
  public var shape: Shape {
    switch result {
    case .ready(let content): content.shape
    case .deferred(let product): product.shape
    }
  }

  /// What operations read that can read 16 bits a number.
  public var content: Activation {
    switch result {
    case .ready(let content): content
    case .deferred(let product): .whole(product.value)
    }
  }

  /// The product that this variable waits for, if it does.
  var deferredProduct: DeferredProduct? {
    if case .deferred(let product) = result, product.isPending { product } else { nil }
  }

  private enum Result {
    case ready(Activation)
    case deferred(DeferredProduct)
  }

  /// The elements as the right operand of products.
  var weight: Weight { Weight(tensor: value, packedWeights: packedWeights) }

  init(_ content: Activation, node: Node, tape: Tape, packedWeights: PackedWeights? = nil) {
    result = .ready(content)
    self.node = node
    self.tape = tape
    self.packedWeights = packedWeights
  }

  init(_ product: DeferredProduct, node: Node, tape: Tape) {
    result = .deferred(product)
    self.node = node
    self.tape = tape
    packedWeights = nil
  }
}
