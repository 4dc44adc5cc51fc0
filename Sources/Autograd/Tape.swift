public import NanoTensor

/// The record of one forward computation, read backward for gradients.
///
/// A tape belongs to one thread. Operations on its variables append entries; ``gradients(of:seed:)`` pops
/// them, last first, so that what an entry saved is freed as soon as it has been used.
public final class Tape {
  /// What the matrix products of linear operations read.
  public let precision: Precision
  /// False for inference: nothing is recorded, and no operation keeps its inputs alive.
  public let isRecording: Bool

  private var entries: [Entry] = []
  private var nodeCount = 0
  private var parameterNodes: [Parameter.ID: Int] = [:]

  private struct Entry {
    let output: Int
    let backward: (Tensor, inout GradientSlots) -> Void
  }

  public init(recording: Bool = true, precision: Precision = .float32) {
    isRecording = recording
    self.precision = precision
  }

  /// The variable of a parameter; the same parameter gives the same node.
  public func variable(_ parameter: Parameter) -> Variable {
    guard isRecording else { return constant(parameter.value) }
    if let node = parameterNodes[parameter.id] {
      return Variable(value: parameter.value, node: Node(index: node), tape: self)
    }
    let node = makeNode()
    parameterNodes[parameter.id] = node.index
    return Variable(value: parameter.value, node: node, tape: self)
  }

  /// A variable without gradient.
  public func constant(_ value: Tensor) -> Variable {
    Variable(value: value, node: .constant, tape: self)
  }

  /// The variable of a result. `backward` gets the gradient of the result and adds to those of the inputs;
  /// it is dropped unread when nothing is recorded or no input has a gradient.
  public func record(
    _ value: Tensor, inputs: Variable...,
    backward: @escaping (_ gradient: Tensor, _ slots: inout GradientSlots) -> Void
  ) -> Variable {
    guard isRecording, inputs.contains(where: { !$0.node.isConstant }) else {
      return constant(value)
    }
    let node = makeNode()
    entries.append(Entry(output: node.index, backward: backward))
    return Variable(value: value, node: node, tape: self)
  }

  /// The gradients of `seed` · `result` with respect to every parameter that was used. Consumes the tape.
  /// - Precondition: `result` is a scalar of this tape.
  public func gradients(of result: Variable, seed: Float = 1) -> Gradients {
    precondition(
      result.value.elementCount == 1,
      "gradients(of:): a scalar, but the shape is \(result.value.shape)")
    var slots = GradientSlots(count: nodeCount)
    slots.accumulate(Tensor(repeating: seed, shape: result.value.shape), into: result.node)
    while let entry = entries.popLast() {
      if let gradient = slots.take(entry.output) { entry.backward(gradient, &slots) }
    }
    var byParameter: [Parameter.ID: Tensor] = [:]
    byParameter.reserveCapacity(parameterNodes.count)
    for (id, node) in parameterNodes {
      if let gradient = slots.take(node) { byParameter[id] = gradient }
    }
    return Gradients(byParameter)
  }

  private func makeNode() -> Node {
    nodeCount += 1
    return Node(index: nodeCount - 1)
  }
}

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

/// Gradients while they are being gathered.
public struct GradientSlots {
  private var gradients: [Tensor?]

  init(count: Int) { gradients = Array(repeating: nil, count: count) }

  /// Adds `gradient` to what `node` has; the first one is stored, not added to zeros.
  public mutating func accumulate(_ gradient: consuming Tensor, into node: Node) {
    guard !node.isConstant else { return }
    guard var sum = gradients[node.index] else {
      gradients[node.index] = gradient
      return
    }
    gradients[node.index] = nil  // so that `sum` is the only owner and adds in place
    sum += gradient
    gradients[node.index] = sum
  }

  fileprivate mutating func take(_ index: Int) -> Tensor? {
    let gradient = gradients[index]
    gradients[index] = nil
    return gradient
  }
}

/// The gradient of every parameter that a result depends on.
public struct Gradients: Sendable {
  private let byParameter: [Parameter.ID: Tensor]

  init(_ byParameter: [Parameter.ID: Tensor]) { self.byParameter = byParameter }

  /// Nil when the result does not depend on the parameter.
  public subscript(id: Parameter.ID) -> Tensor? { byParameter[id] }

  public var count: Int { byParameter.count }
}

/// Runs `body` on a fresh tape and differentiates the scalar that it returns.
///
/// ```swift
/// let weight = Parameter(Tensor([1, 2, 3, 4], shape: [2, 2]), role: .hiddenMatrix(count: 1))
/// let (value, gradients) = valueWithGradients { tape in
///   tape.constant(Tensor([1, 1], shape: [1, 2])).linear(weight: tape.variable(weight)).sum()
/// }
/// // value 10, gradients[weight.id] all ones
/// ```
public func valueWithGradients<E: Error>(
  precision: Precision = .float32, _ body: (Tape) throws(E) -> Variable
) throws(E) -> (value: Float, gradients: Gradients) {
  let tape = Tape(precision: precision)
  let result = try body(tape)
  let value = result.value.scalar
  return (value, tape.gradients(of: result))
}
