internal import NanoTensor

/// A configuration that cannot be built.
public struct ConfigurationError: Error, Hashable, CustomStringConvertible {
  /// What is wrong and what would be right.
  public let reason: String

  /// An error whose reason is shown as it stands.
  public init(_ reason: String) { self.reason = reason }

  public var description: String { reason }
}

extension ConfigurationError {
  /// Throws unless every value is from 1 to its limit.
  static func require(
    _ values: [(name: String, value: Int, limit: Int)]
  ) throws(ConfigurationError) {
    for (name, value, limit) in values where value < 1 || value > limit {
      throw ConfigurationError("\(name) is \(value); it must be from 1 to \(limit)")
    }
  }

  /// Throws when weights, gradients and two optimizer moments of so many parameters outgrow the machine.
  static func requireMemory(forParameters count: Double) throws(ConfigurationError) {
    let bytes = 16 * count
    guard bytes < Double(Machine.current.memoryBytes) else {
      throw ConfigurationError(
        "these sizes need about \(Int(bytes / 1e9)) GB for weights and optimizer state, more than this "
          + "machine's memory; reduce the width, layers or experts")
    }
  }
}
