internal import NanoPreconditions

/// Calls `body` with the memory of a parameter and its gradient.
/// - Precondition: both have `count` elements.
func withPointers(
  _ parameter: inout MutableSpan<Float>, _ gradient: Span<Float>, count: Int, rule: StaticString,
  _ body: (UnsafeMutablePointer<Float>, UnsafePointer<Float>) -> Void
) {
  checkPrecondition(
    parameter.count == count && gradient.count == count,
    "\(rule): state of \(count) elements, parameter of \(parameter.count), gradient of \(gradient.count)"
  )
  parameter.withUnsafeMutableBufferPointer { parameter in
    gradient.withUnsafeBufferPointer { gradient in
      guard let parameter = parameter.baseAddress, let gradient = gradient.baseAddress else {
        return
      }
      body(parameter, gradient)
    }
  }
}
