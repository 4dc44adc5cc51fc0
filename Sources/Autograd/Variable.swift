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
  /// What operations read that can read 16 bits a number.
  let content: Activation
  public let node: Node
  /// The tape must outlive its variables.
  public unowned let tape: Tape
  /// Of a parameter's variable: where products look for its elements packed.
  private let packedWeights: PackedWeights?

  /// The elements in 32 bits, which are made anew each time if the variable has them in 16.
  public var value: Tensor { content.tensor }
  public var shape: Shape { content.shape }

  /// The elements as the right operand of products.
  var weight: Weight { Weight(tensor: value, packedWeights: packedWeights) }

  init(_ content: Activation, node: Node, tape: Tape, packedWeights: PackedWeights? = nil) {
    self.content = content
    self.node = node
    self.tape = tape
    self.packedWeights = packedWeights
  }
}
