internal import NanoCUDA
internal import NanoPreconditions

extension Tensor {
  /// Elementwise sum.
  /// - Precondition: equal shapes.
  public static func + (left: Tensor, right: Tensor) -> Tensor {
    elementwise("+", left, right, "add_elements") { kernels.add($0, $1, into: &$2) }
  }

  /// Elementwise difference.
  /// - Precondition: equal shapes.
  public static func - (left: Tensor, right: Tensor) -> Tensor {
    elementwise("-", left, right, "subtract_elements") { kernels.subtract($0, $1, into: &$2) }
  }

  /// Elementwise product.
  /// - Precondition: equal shapes.
  public static func * (left: Tensor, right: Tensor) -> Tensor {
    elementwise("*", left, right, "multiply_elements") { kernels.multiply($0, $1, into: &$2) }
  }

  /// Every element times `factor`.
  public static func * (left: Tensor, factor: Float) -> Tensor {
    var result = Tensor(uninitialized: left.shape, on: left.gpu)
    let count = left.elementCount
    if let gpu = left.gpu {
      gpu.launchElementwise(
        "scale_elements", count: count, [left.argument, .float(factor), .output(&result), .long(count)])
    } else {
      kernels.scale(left, by: factor, into: &result)
    }
    return result
  }

  /// Multiplies every element by `factor`, in place when the memory is not shared.
  public static func *= (left: inout Tensor, factor: Float) {
    guard left.isUnshared, left.gpu == nil else {
      left = left * factor
      return
    }
    kernels.scale(&left, by: factor)
  }

  /// Adds `other`, in place when the memory is not shared.
  /// - Precondition: equal shapes.
  public static func += (left: inout Tensor, right: Tensor) {
    guard left.isUnshared else {
      left = left + right
      return
    }
    checkPrecondition(left.shape == right.shape, "+=: \(left.shape) and \(right.shape)")
    if let gpu = left.gpu {
      gpu.launchElementwise(
        "add_elements", count: left.elementCount,
        [left.argument, right.argument, .output(&left), .long(left.elementCount)])
      return
    }
    kernels.add(right, to: &left)
  }

  private static func elementwise(
    _ name: StaticString, _ left: Tensor, _ right: Tensor, _ gpuKernel: String,
    _ kernel: (Tensor, Tensor, inout Tensor) -> Void
  ) -> Tensor {
    checkPrecondition(left.shape == right.shape, "\(name): \(left.shape) and \(right.shape)")
    checkPrecondition(
      left.gpu === right.gpu, "\(name): operands \(left.shape) on \(left.device) and on \(right.device)")
    var result = Tensor(uninitialized: left.shape, on: left.gpu)
    if let gpu = left.gpu {
      let count = left.elementCount
      gpu.launchElementwise(
        gpuKernel, count: count, [left.argument, right.argument, .output(&result), .long(count)])
      return result
    }
    kernel(left, right, &result)
    return result
  }

  /// The sum of all elements: float32 lanes over short blocks, blocks in Double.
  public var sum: Double { kernels.sum(on(.cpu)) }

  /// The sum of the squares of all elements.
  public var sumOfSquares: Double { kernels.sumOfSquares(on(.cpu)) }

  /// Whether no element is infinite or NaN.
  public var isFinite: Bool {
    // An infinite or NaN element makes the sum of squares so; an overflowing sum of finite elements is
    // told apart by looking at each.
    sumOfSquares.isFinite || scalars.allSatisfy(\.isFinite)
  }
}
