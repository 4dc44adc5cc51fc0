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
  public let value: Tensor
  public let node: Node
  /// The tape must outlive its variables.
  public unowned let tape: Tape

  public var shape: Shape { value.shape }

  init(value: Tensor, node: Node, tape: Tape) {
    self.value = value
    self.node = node
    self.tape = tape
  }
}
