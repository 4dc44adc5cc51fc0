internal import NanoLayers
internal import NanoTensor

/// Everything that is logged of one training step.
public struct StepRecord: Hashable, Sendable, Codable {
  /// Steps made before it.
  public var step: Int
  /// The training objective: NLL plus auxiliary losses times their coefficients.
  public var loss: Double
  /// Mean negative log likelihood of the batch before the update, in nats a token.
  public var nll: Double
  /// The sequence-wise balance loss, summed over the mixtures, without its coefficient; 0 where there is none.
  public var balanceLoss: Double
  /// The router z-loss, summed over the mixtures, without its coefficient; 0 where there is none.
  public var zLoss: Double
  /// AdamW's.
  public var learningRate: Double
  /// Muon's, where it updates something.
  public var muonLearningRate: Double?
  /// Euclidean norm of all gradients, before clipping.
  public var gradientNorm: Double
  /// Training tokens a second in this step.
  public var tokensPerSecond: Double
  /// Seconds of the step, its update and what was repeated for want of memory included.
  public var seconds: Double
  /// Time of the optimizers alone.
  public var updateSeconds: Double
  /// Bytes that tensors hold after the step: on the GPU of a run on one, else in main memory.
  public var currentTensorBytes: Int
  /// The most bytes that tensors held at once there, since the run began or went on.
  public var peakTensorBytes: Int
  /// Bytes of main memory that the process has after the step.
  public var residentBytes: Int
  /// Micro-batches that the batch was worked through in.
  public var microBatches: Int
  /// Whether activations were recomputed in the backward pass.
  public var checkpointsActivations: Bool
  /// The factor on the loss after the step; nil except in half precision.
  public var lossScale: Double?
  /// One entry a mixture, in order of layers.
  public var mixtures: [MixtureRecord]
  /// The largest attention logit of each layer.
  public var largestAttentionLogits: [Float]

  /// - Parameters:
  ///   - coefficients: of the balance loss and the z-loss in the objective.
  ///   - learningRates: the base rates of AdamW and of Muon.
  ///   - biases: the selection biases of every mixture that has some.
  package init(
    step: Int, _ report: StepReport, coefficients: (balance: Float, z: Float),
    learningRates: (adamW: Float, muon: Float?), tokens: Int, seconds: Double,
    memory: (currentBytes: Int, peakBytes: Int), trainer: TrainerConfiguration, lossScale: LossScale?,
    loads averages: LoadAverages, biases: [[Float]]
  ) {
    let routing = report.statistics.routing
    self.step = step
    nll = report.loss
    balanceLoss = routing.reduce(0) { $0 + $1.balanceLoss }
    zLoss = routing.reduce(0) { $0 + $1.zLoss }
    loss = nll + Double(coefficients.balance) * balanceLoss + Double(coefficients.z) * zLoss
    learningRate = Double(learningRates.adamW * report.learningRateFactor)
    muonLearningRate = learningRates.muon.map { Double($0 * report.learningRateFactor) }
    gradientNorm = Double(report.gradientNorm)
    tokensPerSecond = Double(tokens) / seconds
    self.seconds = seconds
    updateSeconds = report.updateSeconds
    currentTensorBytes = memory.currentBytes
    peakTensorBytes = memory.peakBytes
    residentBytes = ResidentMemory.currentBytes
    microBatches = trainer.microBatchCount
    checkpointsActivations = trainer.checkpointsActivations
    self.lossScale = lossScale.map { Double($0.value) }
    mixtures = routing.indices.map { index in
      MixtureRecord(
        routing[index], biases: index < biases.count ? biases[index] : [],
        deadExperts: averages.deadExperts(ofMixture: index))
    }
    largestAttentionLogits = report.statistics.attention.map { $0.largestLogits.max() ?? 0 }
  }
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
  /// The largest selection bias after the step; 0 where the mixture has none.
  public var largestBias: Float
  /// The smallest selection bias after the step; 0 where the mixture has none.
  public var smallestBias: Float
  /// The largest router logit of any token of the batch.
  public var largestRouterLogit: Float

  init(_ routing: RoutingStatistics, biases: [Float], deadExperts: Int) {
    let total = Double(max(1, routing.loads.reduce(0, +)))
    loads = routing.loads.map { Double($0) / total }
    maximalViolation = routing.maximalViolation
    loadEntropy = routing.loadEntropy
    routerEntropy = routing.routerEntropy
    self.deadExperts = deadExperts
    largestBias = biases.max() ?? 0
    smallestBias = biases.min() ?? 0
    largestRouterLogit = routing.largestLogit
  }
}
