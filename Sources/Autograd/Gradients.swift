public import NanoTensor

/// Gradients while they are being gathered.
public struct GradientSlots {
  private var gradients: [Activation?]
  /// The gradient of the scalar that is differentiated, for losses added on the way.
  let seed: Float

  init(count: Int, seed: Float) {
    gradients = Array(repeating: nil, count: count)
    self.seed = seed
  }

  /// Adds `gradient` to what `node` has; the first one is stored, not added to zeros.
  public mutating func accumulate(_ gradient: consuming Tensor, into node: Node) {
    accumulate(.whole(gradient), into: node)
  }

  /// The same; what has 16 bits a number keeps them as long as nothing is added.
  public mutating func accumulate(_ gradient: consuming Activation, into node: Node) {
    guard !node.isConstant else { return }
    guard var sum = gradients[node.index]?.tensor else {
      gradients[node.index] = gradient
      return
    }
    gradients[node.index] = nil  // so that `sum` is the only owner and adds in place
    sum += gradient.tensor
    gradients[node.index] = .whole(sum)
  }

  /// What a node has so far on the host in 32 bits a number: for an operation that adds to it in its place, and gives it
  /// back.
  mutating func takeOnHost(_ node: Node) -> Tensor? {
    guard !node.isConstant, case .whole(let gradient)? = gradients[node.index], gradient.gpu == nil else { return nil }
    gradients[node.index] = nil
    return gradient
  }

  /// What a node on a GPU has so far in 32 bits a number: for an operation that adds it by the way, and gives the sum back.
  mutating func takeOnGPU(_ node: Node) -> Tensor? {
    guard !node.isConstant, let gradient = gradients[node.index], gradient.gpu != nil, gradient.format == nil else {
      return nil
    }
    gradients[node.index] = nil
    return gradient.tensor
  }

  /// The same of a node whose gradients may have a format: it or 32 bits.
  mutating func takeOnGPU(_ node: Node, format: HalfTensor.Format?) -> Activation? {
    guard !node.isConstant, let gradient = gradients[node.index], gradient.gpu != nil,
      gradient.format == nil || gradient.format == format
    else { return nil }
    gradients[node.index] = nil
    return gradient
  }

  mutating func take(_ index: Int) -> Activation? {
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

  /// Parameters that have a gradient.
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
