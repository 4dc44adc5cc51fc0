internal import NanoCUDA
internal import NanoPreconditions
public import NanoTensor

extension Variable {
  /// Elementwise sum; both inputs get the gradient unchanged.
  /// - Precondition: equal shapes.
  public static func + (left: Variable, right: Variable) -> Variable {
    let (leftNode, rightNode) = (left.node, right.node)
    let sum =
      right.deferredProduct.map { product in
        checkPrecondition(left.shape == product.shape, "+: \(left.shape) and \(product.shape)")
        return product.sum(with: left.value)
      } ?? left.value + right.value
    return left.tape.record(.whole(sum), inputs: [left, right]) { gradient, slots in
      slots.accumulate(gradient, into: leftNode)
      slots.accumulate(gradient, into: rightNode)
    }
  }

  /// Elementwise difference.
  /// - Precondition: equal shapes.
  public static func - (left: Variable, right: Variable) -> Variable {
    let (leftNode, rightNode) = (left.node, right.node)
    return left.tape.record(left.value - right.value, inputs: left, right) { gradient, slots in
      slots.accumulate(gradient, into: leftNode)
      slots.accumulate(gradient * -1, into: rightNode)
    }
  }

  /// Elementwise product: d(xy) = y dx + x dy.
  /// - Precondition: equal shapes.
  public static func * (left: Variable, right: Variable) -> Variable {
    left.tape.record(left.value * right.value, inputs: left, right) { gradient, slots in
      slots.accumulate(gradient * right.value, into: left.node)
      slots.accumulate(gradient * left.value, into: right.node)
    }
  }

  /// Every element times a constant.
  public static func * (variable: Variable, factor: Float) -> Variable {
    let node = variable.node
    return variable.tape.record(variable.value * factor, inputs: variable) { gradient, slots in
      slots.accumulate(gradient * factor, into: node)
    }
  }

  /// The same elements under another shape.
  /// - Precondition: equal element counts.
  public func reshaped(_ newShape: Shape) -> Variable {
    let (node, oldShape) = (node, shape)
    return tape.record(value.reshaped(newShape), inputs: self) { gradient, slots in
      slots.accumulate(gradient.reshaped(oldShape), into: node)
    }
  }

  /// The sum of all elements, a scalar.
  public func sum() -> Variable {
    let (node, shape) = (node, shape)
    let value = value
    let total = value.gpu.map { value.sum(on: $0) } ?? Tensor([Float(value.sum)], shape: [])
    return tape.record(total, inputs: self) { gradient, slots in
      slots.accumulate(gradient.broadcast(to: shape), into: node)
    }
  }

  /// The mean of all elements, a scalar.
  public func mean() -> Variable { sum() * (1 / Float(shape.elementCount)) }
}
