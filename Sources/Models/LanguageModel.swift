public import NanoAutograd
public import NanoLayers
internal import NanoPreconditions
public import NanoTensor

/// A model that gives, for every position of token sequences, logits of the next token.
public protocol LanguageModel: ParameterContainer {
  /// What tells one model of this type from another.
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

  /// What it is made of.
  var configuration: Configuration { get }

  /// - Parameter tokens: sequences one after another, each as long as the context says and at most as long
  ///   as the model accepts.
  /// - Returns: one row of vocabularySize logits a token.
  func logits(for tokens: [Int32], in context: ForwardContext) -> Variable

  /// The mean negative log likelihood, in nats a token, of `targets`.
  func loss(inputs: [Int32], targets: [Int32], in context: ForwardContext) -> Variable

  /// What the model changes by itself after each update of its parameters.
  mutating func finishStep(_ statistics: ForwardStatistics, rules: StepRules)

  /// What continues texts with a cache, on the host; nil for a model that has no such thing.
  func makeDecodingSession(_ options: DecodingOptions) -> (any DecodingSession)?

  /// Numbers that are trained and take part in the computation for one token.
  var activeParameterCount: Int { get }
}

/// What a model does by itself after each update.
public struct StepRules: Hashable, Sendable, Codable {
  /// By how much a router's selection bias moves against its expert's load.
  public var selectionBiasRate: Float
  /// Where QK-clip stops attention logits; nil for never.
  public var queryKeyClip: Float?

  /// By default selection biases move by 0.001 a step, and logits are clipped at 100.
  public init(selectionBiasRate: Float = 1e-3, queryKeyClip: Float? = 100) {
    self.selectionBiasRate = selectionBiasRate
    self.queryKeyClip = queryKeyClip
  }
}

/// What every model's configuration tells.
public protocol ModelConfiguration: Hashable, Sendable, Codable {
  /// Tokens that the model knows, each with a logit.
  var vocabularySize: Int { get }
  /// The longest sequence the model accepts.
  var contextLength: Int { get }
  /// Throws when sizes are not positive, contradict each other, or are out of all proportion.
  func validate() throws(ConfigurationError)
}

extension LanguageModel {
  public func loss(inputs: [Int32], targets: [Int32], in context: ForwardContext) -> Variable {
    logits(for: inputs, in: context).crossEntropy(targets: targets)
  }

  public mutating func finishStep(_ statistics: ForwardStatistics, rules: StepRules) {}

  public func makeDecodingSession(_ options: DecodingOptions) -> (any DecodingSession)? { nil }

  public var activeParameterCount: Int { parameterCount }

  /// Logits on a tape, for sequences of the given length.
  public func logits(for tokens: [Int32], sequenceLength: Int, on tape: Tape) -> Variable {
    logits(for: tokens, in: ForwardContext(tape: tape, sequenceLength: sequenceLength))
  }

  /// The loss on a tape, for sequences of the given length.
  public func loss(
    inputs: [Int32], targets: [Int32], sequenceLength: Int, on tape: Tape
  ) -> Variable {
    loss(
      inputs: inputs, targets: targets,
      in: ForwardContext(tape: tape, sequenceLength: sequenceLength))
  }

  /// Traps unless the tokens are whole sequences that the model accepts.
  func requireSequences(_ tokens: [Int32], _ context: ForwardContext) {
    checkPrecondition(
      context.sequenceLength > 0 && context.sequenceLength <= configuration.contextLength
        && tokens.count % context.sequenceLength == 0,
      "\(Self.displayName): \(tokens.count) tokens in sequences of \(context.sequenceLength), context "
        + "\(configuration.contextLength)")
  }
}
