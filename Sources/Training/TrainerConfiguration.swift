public import NanoModels
internal import NanoPreconditions
public import NanoTensor

/// How a trainer computes.
public struct TrainerConfiguration: Hashable, Sendable, Codable {
  /// Into how many parts a micro-batch is split; fixed, so that results do not depend on the machine.
  public var shardCount: Int
  /// How many micro-batches a batch is worked through in, their gradients added: less memory, same result
  /// up to rounding.
  public var microBatchCount: Int
  /// What products round to.
  public var precision: Precision
  /// The largest global gradient norm; nil for no clipping.
  public var gradientClip: Float?
  /// Whether blocks keep only their input and run again in the backward pass: less memory, more time.
  public var checkpointsActivations: Bool
  /// What the model does by itself after an update.
  public var rules: StepRules
  /// The share of activations set to zero on their way into the residual stream, and of attention
  /// probabilities, and what it comes from.
  public var dropout: Float = 0
  /// What masks come from.
  public var dropoutSeed: UInt64 = 0

  /// Settings without dropout.
  /// - Precondition: `shardCount` and `microBatchCount` are positive.
  public init(
    shardCount: Int = 6, microBatchCount: Int = 1, precision: Precision = .float32,
    gradientClip: Float? = nil, checkpointsActivations: Bool = false,
    rules: StepRules = StepRules()
  ) {
    checkPrecondition(
      shardCount > 0 && microBatchCount > 0,
      "TrainerConfiguration: \(shardCount) shards of \(microBatchCount) micro-batches")
    self.shardCount = shardCount
    self.microBatchCount = microBatchCount
    self.precision = precision
    self.gradientClip = gradientClip
    self.checkpointsActivations = checkpointsActivations
    self.rules = rules
  }
}
