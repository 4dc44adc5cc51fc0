internal import NanoCUDA
internal import NanoPreconditions
package import NanoTensor

/// A parameter and its gradient in a GPU's memory, for as long as both lie where they are.
public struct DeviceParameter {
  /// What the rule is told of it.
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
    self.value = value.numbers.unowned
    self.gradient = gradient.numbers.unowned
    self.halfValue = halfValue?.numbers.unowned
  }

  /// Lets the host update the value: copies value and gradient to the host, and the value back.
  func withHostCopies(_ update: (inout MutableSpan<Float>, Span<Float>) -> Void) {
    let count = description.shape.elementCount
    guard let gpu = value.gpu else { return }
    var (value, gradient) = (Tensor(uninitialized: [count]), Tensor(uninitialized: [count]))
    value.withMutableNumbers { gpu.download(self.value.start, to: $0.numbers.start, bytes: count * 4) }
    gradient.withMutableNumbers { gpu.download(self.gradient.start, to: $0.numbers.start, bytes: count * 4) }
    gradient.withElements { gradient in
      value.withMutableElements { value in update(&value, gradient) }
    }
    value.withMutableNumbers { gpu.upload($0.numbers.start, to: self.value.start, bytes: count * 4) }
    halfValue?.convert(from: self.value, count: count)
  }
}
