/// Which windows of the training text the steps read.
public enum Sampling: String, CaseIterable, Hashable, Sendable, Codable {
  /// At random places, each drawn by itself, as nanoGPT does and the published studies do.
  case random
  /// Every window once before any is read again, in an order of each epoch's own.
  case epochs
}

extension KeyedDecodingContainer {
  /// An experiment that was written before there was a choice reads windows at random places.
  func decode(_ type: Sampling.Type, forKey key: Key) throws -> Sampling {
    try decodeIfPresent(type, forKey: key) ?? .random
  }
}
