public import NanoAutograd
public import NanoTensor

/// A model that gives, for every position of token sequences, logits of the next token.
public protocol LanguageModel: ParameterContainer {
  associatedtype Configuration: ModelConfiguration

  /// The name in files and on the command line, such as `nanogpt`.
  static var identifier: String { get }
  /// The name for people, such as `NanoGPT`.
  static var displayName: String { get }

  /// A model with fresh weights.
  /// - Throws: when the configuration contradicts itself or is out of all proportion.
  init(
    _ configuration: Configuration, using generator: inout RandomGenerator
  ) throws(ConfigurationError)

  var configuration: Configuration { get }

  /// - Parameters:
  ///   - tokens: sequences one after another.
  ///   - sequenceLength: tokens of each, at most the context length.
  /// - Returns: one row of vocabularySize logits a token.
  func logits(for tokens: [Int32], sequenceLength: Int, on tape: Tape) -> Variable
}

/// What every model's configuration tells.
public protocol ModelConfiguration: Hashable, Sendable, Codable {
  var vocabularySize: Int { get }
  /// The longest sequence the model accepts.
  var contextLength: Int { get }
  /// Throws when sizes are not positive, contradict each other, or are out of all proportion.
  func validate() throws(ConfigurationError)
}

extension LanguageModel {
  /// The mean negative log likelihood, in nats a token, of `targets`.
  public func loss(
    inputs: [Int32], targets: [Int32], sequenceLength: Int, on tape: Tape
  ) -> Variable {
    logits(for: inputs, sequenceLength: sequenceLength, on: tape).crossEntropy(targets: targets)
  }
}

/// A configuration that cannot be built.
public struct ConfigurationError: Error, Hashable, CustomStringConvertible {
  /// What is wrong and what would be right.
  public let reason: String

  public init(_ reason: String) { self.reason = reason }

  public var description: String { reason }
}
