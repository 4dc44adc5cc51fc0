extension ParameterContainer {
  /// Where the parameters lie; the host for a container without any.
  public var device: Device {
    var copy = self
    var device: Device?
    copy.visitParameters(.root(wanted: false)) { _, parameter in device = device ?? parameter.value.device }
    return device ?? .cpu
  }

  /// Moves all parameters to a device, where operations on them then run.
  public mutating func move(to device: Device) {
    visitParameters(.root(wanted: false)) { _, parameter in parameter.value = parameter.value.on(device) }
  }

  /// A copy on a device; this container itself if it lies there.
  public func on(_ device: Device) -> Self {
    var copy = self
    copy.move(to: device)
    return copy
  }
}
