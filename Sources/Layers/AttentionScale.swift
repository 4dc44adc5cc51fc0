extension MultiHeadAttention.Configuration.Scale: LosslessStringConvertible {
  /// `headWidth`, `modelWidth` or a number.
  public init?(_ description: String) {
    switch description {
    case "headWidth": self = .headWidth
    case "modelWidth": self = .modelWidth
    default:
      guard let factor = Float(description) else { return nil }
      self = .factor(factor)
    }
  }

  public var description: String {
    switch self {
    case .headWidth: "headWidth"
    case .modelWidth: "modelWidth"
    case .factor(let factor): "\(factor)"
    }
  }
}

/// A string, or a number.
extension MultiHeadAttention.Configuration.Scale: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let factor = try? container.decode(Float.self) {
      self = .factor(factor)
      return
    }
    let name = try container.decode(String.self)
    guard let scale = Self(name) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(name)' is neither headWidth, modelWidth nor a number")
    }
    self = scale
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if case .factor(let factor) = self { try container.encode(factor) } else { try container.encode(description) }
  }
}
