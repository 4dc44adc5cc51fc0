internal import CNanoKernels
internal import NanoPreconditions

// Elementwise arithmetic and sums. In place are those whose result is an operand.

extension Kernels {
  /// `result = left + right`
  func add(_ left: Tensor, _ right: Tensor, into result: inout Tensor) {
    let (left, right, out, count) = (left.elements, right.elements, result.mutableElements, left.elementCount)
    SharedWork.forEachPart(ofNumbers: count) { part in
      let start = part.lowerBound
      table.pointee.add(left + start, right + start, out + start, part.count)
    }
  }

  /// `sum += other`
  func add(_ other: Tensor, to sum: inout Tensor) {
    let (elements, other) = (sum.mutableElements, other.elements)
    SharedWork.forEachPart(ofNumbers: sum.elementCount) { part in
      let start = elements + part.lowerBound
      table.pointee.add(start, other + part.lowerBound, start, part.count)
    }
  }

  /// `result = left - right`
  func subtract(_ left: Tensor, _ right: Tensor, into result: inout Tensor) {
    let (left, right, out, count) = (left.elements, right.elements, result.mutableElements, left.elementCount)
    SharedWork.forEachPart(ofNumbers: count) { part in
      let start = part.lowerBound
      table.pointee.subtract(left + start, right + start, out + start, part.count)
    }
  }

  /// `result = left · right`
  func multiply(_ left: Tensor, _ right: Tensor, into result: inout Tensor) {
    let (left, right, out, count) = (left.elements, right.elements, result.mutableElements, left.elementCount)
    SharedWork.forEachPart(ofNumbers: count) { part in
      let start = part.lowerBound
      table.pointee.multiply(left + start, right + start, out + start, part.count)
    }
  }

  /// `result = factor · x`
  func scale(_ x: Tensor, by factor: Float, into result: inout Tensor) {
    let (x, out, count) = (x.elements, result.mutableElements, x.elementCount)
    SharedWork.forEachPart(ofNumbers: count) { part in
      table.pointee.scale(x + part.lowerBound, factor, out + part.lowerBound, part.count)
    }
  }

  /// `x ← factor · x`
  func scale(_ x: inout Tensor, by factor: Float) {
    let (elements, count) = (x.mutableElements, x.elementCount)
    SharedWork.forEachPart(ofNumbers: count) { part in
      let start = elements + part.lowerBound
      table.pointee.scale(start, factor, start, part.count)
    }
  }

  /// `factor · x`
  /// - Precondition: as many elements as the shape has.
  package func scaled(_ x: Span<Float>, by factor: Float, shape: Shape) -> Tensor {
    checkPrecondition(x.count == shape.elementCount, "scaled: \(x.count) elements for \(shape)")
    var result = Tensor(uninitialized: shape)
    x.withUnsafeBufferPointer { table.pointee.scale($0.baseAddress, factor, result.mutableElements, $0.count) }
    return result
  }

  // MARK: Linear combinations

  /// `x ← a x + b y`
  /// - Precondition: equal counts.
  package func combine(_ a: Float, _ x: inout Tensor, _ b: Float, _ y: Span<Float>) {
    checkCounts(x.elementCount, y.count)
    let elements = x.mutableElements
    y.withUnsafeBufferPointer { table.pointee.combine(a, elements, b, $0.baseAddress, elements, $0.count) }
  }

  /// `x ← a x + b y`
  /// - Precondition: equal counts.
  package func combine(_ a: Float, _ x: inout Tensor, _ b: Float, _ y: Tensor) {
    checkCounts(x.elementCount, y.elementCount)
    let elements = x.mutableElements
    table.pointee.combine(a, elements, b, y.elements, elements, y.elementCount)
  }

  /// `x ← a x + b y` for the elements of x from `start` on.
  /// - Precondition: x has as many as y from there.
  package func combine(_ a: Float, _ x: inout MutableSpan<Float>, from start: Int = 0, _ b: Float, _ y: Tensor) {
    checkPrecondition(
      start >= 0 && y.elementCount <= x.count - start,
      "combine: \(y.elementCount) elements for those of \(x.count) from \(start) on")
    x.withUnsafeMutableBufferPointer {
      guard let elements = $0.baseAddress.map({ $0 + start }) else { return }
      table.pointee.combine(a, elements, b, y.elements, elements, y.elementCount)
    }
  }

  /// `a x + b y`
  /// - Precondition: equal counts.
  package func combination(_ a: Float, _ x: Tensor, _ b: Float, _ y: Span<Float>) -> Tensor {
    x.withElements { combination(a, $0, b, y) }
  }

  /// `a x + b y`
  /// - Precondition: equal counts.
  package func combination(_ a: Float, _ x: Span<Float>, _ b: Float, _ y: Span<Float>) -> Tensor {
    checkCounts(x.count, y.count)
    var result = Tensor(uninitialized: [x.count])
    x.withUnsafeBufferPointer { x in
      y.withUnsafeBufferPointer { y in
        table.pointee.combine(a, x.baseAddress, b, y.baseAddress, result.mutableElements, x.count)
      }
    }
    return result
  }

  /// `y ← y + x`
  /// - Precondition: equal counts.
  package func add(_ x: Span<Float>, to y: inout MutableSpan<Float>) {
    checkCounts(x.count, y.count)
    x.withUnsafeBufferPointer { x in
      y.withUnsafeMutableBufferPointer { table.pointee.add($0.baseAddress, x.baseAddress, $0.baseAddress, $0.count) }
    }
  }

  /// `y ← y + factor x`
  /// - Precondition: equal counts.
  package func add(_ x: Tensor, times factor: Float, to y: inout MutableSpan<Float>) {
    checkCounts(x.elementCount, y.count)
    y.withUnsafeMutableBufferPointer { table.pointee.add_scaled(x.elements, factor, $0.baseAddress, $0.count) }
  }

  private func checkCounts(_ first: Int, _ second: Int) {
    checkPrecondition(first == second, "linear combination of \(first) and \(second) elements")
  }

  // MARK: Sums

  /// float32 lanes over short blocks, blocks in Double.
  func sum(_ x: Tensor) -> Double { table.pointee.sum(x.elements, x.elementCount) }

  func sumOfSquares(_ x: Tensor) -> Double { table.pointee.sum_of_squares(x.elements, x.elementCount) }

  package func sumOfSquares(_ x: Span<Float>) -> Double {
    x.withUnsafeBufferPointer { $0.isEmpty ? 0 : table.pointee.sum_of_squares($0.baseAddress, $0.count) }
  }

  // MARK: Formats

  /// Rounds every element to nearest even.
  func round(_ x: Tensor, into result: inout HalfTensor) {
    let kernel = result.format == .bfloat16 ? table.pointee.to_bf16 : table.pointee.to_fp16
    let (elements, count) = (x.elements, x.elementCount)
    result.withMutableNumbers { out in
      guard let halves = out.halves else { return }
      SharedWork.forEachPart(ofNumbers: count) { part in
        kernel!(elements + part.lowerBound, halves + part.lowerBound, part.count)
      }
    }
  }

  /// The elements in 32 bits.
  func widen(_ x: HalfTensor, into result: inout Tensor) {
    let kernel = x.format == .bfloat16 ? table.pointee.from_bf16 : table.pointee.from_fp16
    guard let halves = x.numbers.halves else { return }
    let out = result.mutableElements
    SharedWork.forEachPart(ofNumbers: x.shape.elementCount) { part in
      kernel!(halves + part.lowerBound, out + part.lowerBound, part.count)
    }
  }
}
