internal import NanoCUDA
internal import NanoPreconditions
package import NanoTensor

/// A parameter and its gradient in a GPU's memory, for as long as both lie where they are.
public struct DeviceParameter {
  public let description: ParameterDescription
  let value, gradient: Numbers
  /// A rounded copy of the value, which products read: updates write it too.
  let halfValue: Numbers?

  /// - Precondition: value and gradient have the parameter's element count and lie on the same GPU.
  package init(
    _ description: ParameterDescription, value: inout Tensor, gradient: Tensor, halfValue: HalfTensor? = nil
  ) {
    let count = description.shape.elementCount
    checkPrecondition(
      value.elementCount == count && gradient.elementCount == count,
      "DeviceParameter: \(description.name) has \(count) elements, its value \(value.elementCount), "
        + "its gradient \(gradient.elementCount)")
    checkPrecondition(
      value.gpu != nil && value.gpu === gradient.gpu,
      "DeviceParameter: \(description.name) on \(value.device), its gradient on \(gradient.device)")
    value.makeUnshared()
    self.description = description
    self.value = value.numbers
    self.gradient = gradient.numbers
    self.halfValue = halfValue?.numbers
  }

  /// Whether the value lies where this tensor does.
  package func isAt(_ value: Tensor) -> Bool { value.gpu === self.value.gpu && value.numbers.start == self.value.start }

  /// Lets the host update the value: copies value and gradient to the host, and the value back.
  func withHostCopies(_ update: (inout MutableSpan<Float>, Span<Float>) -> Void) {
    let shape: Shape = [description.shape.elementCount]
    guard let gpu = value.gpu else { return }
    var (value, gradient) = (Tensor(uninitialized: shape), Tensor(uninitialized: shape))
    let bytes = shape.elementCount * MemoryLayout<Float>.stride
    gpu.download(self.value.start, to: value.mutableElements, bytes: bytes)
    gpu.download(self.gradient.start, to: gradient.mutableElements, bytes: bytes)
    gradient.withElements { gradient in
      value.withMutableElements { value in update(&value, gradient) }
    }
    gpu.upload(value.elements, to: self.value.start, bytes: bytes)
    halfValue?.convert(from: self.value, count: shape.elementCount)
  }
}
