internal import NanoPreconditions
internal import NanoTensor

/// Traps unless a parameter and its gradient have as many elements as their state.
func checkCounts(
  _ parameter: borrowing MutableSpan<Float>, _ gradient: Span<Float>, state: Tensor, rule: StaticString
) {
  let (count, gradientCount) = (parameter.count, gradient.count)
  checkPrecondition(
    count == state.elementCount && gradientCount == count,
    "\(rule): state of \(state.elementCount) elements, parameter of \(count), gradient of \(gradientCount)")
}

extension MutableSpan where Element == Float {
  /// Writes as many elements over these.
  mutating func replace(with elements: Span<Float>) {
    checkPrecondition(elements.count == count, "replace: \(count) elements with \(elements.count)")
    withUnsafeMutableBufferPointer { target in
      elements.withUnsafeBufferPointer { _ = target.update(from: $0) }
    }
  }
}
