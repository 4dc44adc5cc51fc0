/// Everything that is logged of one training step.
public struct StepRecord: Hashable, Sendable, Codable {
  public var step: Int
  /// The training objective: NLL plus auxiliary losses times their coefficients.
  public var loss: Double
  public var nll: Double
  public var balanceLoss: Double
  public var zLoss: Double
  /// AdamW's.
  public var learningRate: Double
  /// Muon's, where it updates something.
  public var muonLearningRate: Double?
  public var gradientNorm: Double
  public var tokensPerSecond: Double
  public var seconds: Double
  /// Time of the optimizers alone.
  public var updateSeconds: Double
  public var currentTensorBytes: Int
  public var peakTensorBytes: Int
  public var residentBytes: Int
  public var microBatches: Int
  public var checkpointsActivations: Bool
  public var lossScale: Double?
  /// One entry a mixture, in order of layers.
  public var mixtures: [MixtureRecord]
  /// The largest attention logit of each layer.
  public var largestAttentionLogits: [Float]
}

/// What is logged of one mixture of experts.
public struct MixtureRecord: Hashable, Sendable, Codable {
  /// Share of all assignments that went to each expert.
  public var loads: [Double]
  /// Largest load over mean load, minus 1.
  public var maximalViolation: Double
  /// In nats; ln E for perfect balance.
  public var loadEntropy: Double
  /// Mean entropy of a token's scores, in nats.
  public var routerEntropy: Double
  /// Experts whose running mean load is below 1% of the mean.
  public var deadExperts: Int
  public var largestBias: Float
  public var smallestBias: Float
  public var largestRouterLogit: Float
}
