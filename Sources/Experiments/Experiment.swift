public import NanoModels
public import NanoOptim
public import NanoTensor
public import NanoTraining

/// One training run, completely described: `experiment.json` in a run's folder makes it again, to the bit.
public struct Experiment: Hashable, Sendable, Codable {
  /// The sizes and parts of the model that is trained.
  public var model: DecoderConfiguration
  /// Which rule updates which parameters, with the peak learning rates.
  public var optimizer: OptimizerRecipe
  /// How the learning rates change over the steps.
  public var schedule: ScheduleRecipe
  /// The text that the model is trained and validated on.
  public var corpus: CorpusRecipe
  /// What the model begins with; nil for fresh weights.
  public var initialWeights: InitialWeights?
  /// In a study: the run that it begins from with fewer experts; nil for none.
  public var prunedStart: PrunedStart?

  /// Training steps.
  public var iterations: Int
  /// Sequences in a step's batch.
  public var batchSize: Int
  /// Tokens of a sequence; at most the model's context.
  public var sequenceLength: Int
  /// Which windows of the training text the batches are made of.
  public var sampling = Sampling.random
  /// Parts that a batch is split into; results depend on it.
  public var shardCount: Int
  /// Micro-batches that a step's batch is worked through in.
  public var microBatchCount = 1
  /// What products round to.
  public var precision = Precision.float32
  /// What all randomness comes from.
  public var seed: UInt64 = 1337
  /// The largest global gradient norm; nil for no clipping.
  public var gradientClip: Float?
  /// What the model does by itself after each update.
  public var rules = StepRules(queryKeyClip: nil)
  /// The share of activations that dropout sets to zero in training, from 0 to below 1.
  public var dropout: Float = 0
  /// The share of the steps, those at the end, over which the weights are averaged that the last evaluation scores; nil
  /// for none, and the last step's weights.
  public var averagedShare: Float?

  /// On what the model is evaluated; how often is ``evaluationInterval``.
  public var evaluation: EvaluationPolicy
  /// Steps from one evaluation to the next.
  public var evaluationInterval: Int
  /// What the model writes on the way and at the end.
  public var samples: SampleRecipe
  /// Forwards of a batch that are timed at the end.
  public var timedForwards = 0
  /// Steps from one line of the metrics to the next.
  public var recordInterval = 1
  /// Steps from one checkpoint to the next; nil for none on the way.
  public var checkpointInterval: Int?
  /// Checkpoints that stay in the run's folder, the last ones; at least 1.
  public var keptCheckpoints = 2
  /// Whether blocks keep only their input and run again in the backward pass: less memory, more time.
  public var checkpointsActivations = false
  /// Bytes that tensors may hold in forward and backward passes; nil for what the system has left.
  public var memoryLimit: Int?

  /// An experiment on sequences as long as the model's context; ``validate()`` says whether its values are in range.
  public init(
    model: DecoderConfiguration, optimizer: OptimizerRecipe, schedule: ScheduleRecipe, corpus: CorpusRecipe,
    iterations: Int,
    batchSize: Int, shardCount: Int, evaluation: EvaluationPolicy, evaluationInterval: Int, samples: SampleRecipe
  ) {
    self.model = model
    self.optimizer = optimizer
    self.schedule = schedule
    self.corpus = corpus
    self.iterations = iterations
    self.batchSize = batchSize
    sequenceLength = model.contextLength
    self.shardCount = shardCount
    self.evaluation = evaluation
    self.evaluationInterval = evaluationInterval
    self.samples = samples
  }

  /// A model that is given may be scored as it is, by a full pass: random windows are read before the last step.
  private var fewestIterations: Int {
    guard case .fullPass = evaluation else { return 1 }
    return initialWeights == nil && prunedStart == nil ? 1 : 0
  }

  /// Tokens that a step reads.
  public var tokensPerStep: Int { batchSize * sequenceLength }

  /// Floating-point operations of training by the usual count: 6 a token for each active parameter, and 12 for each layer,
  /// channel and position of its context. A forward is a third of it.
  /// - SeeAlso: Chowdhery et al., PaLM, 2022, appendix B.
  public func trainingFLOPsPerToken(activeParameters: Int) -> Int {
    6 * activeParameters + 12 * model.layerCount * model.width * sequenceLength
  }

  /// How the trainer computes; its masks come from the experiment's seed.
  public var trainer: TrainerConfiguration {
    var trainer = TrainerConfiguration(
      shardCount: shardCount, microBatchCount: microBatchCount, precision: precision, gradientClip: gradientClip,
      checkpointsActivations: checkpointsActivations, rules: rules)
    trainer.dropout = dropout
    trainer.dropoutSeed = seed
    return trainer
  }

  /// The step after which weights are averaged; nil for never.
  var averagingStart: Int? {
    averagedShare.map { iterations - max(1, Int($0 * Float(iterations))) }
  }

  /// What updates the weights.
  public func makeOptimizer() -> AnyOptimizer {
    let rule = optimizer.makeOptimizer(precision: precision)
    return averagingStart.map { AnyOptimizer(WeightAveraging(rule, after: $0)) } ?? rule
  }

  /// A stream of the seed's randomness.
  enum Stream: UInt64 {
    case weights = 1
    case batches, evaluation, inference
  }

  func generator(of stream: Stream) -> RandomGenerator { RandomGenerator(seed: seed).split(stream.rawValue) }

  /// The model with fresh weights.
  public func makeModel() throws(ConfigurationError) -> Decoder {
    var generator = generator(of: .weights)
    return try Decoder(model, using: &generator)
  }
}

extension Experiment {
  /// Throws when a value is out of range or two contradict each other.
  public func validate() throws {
    let counts: [(name: String, value: Int, range: ClosedRange<Int>)] = [
      ("iterations", iterations, fewestIterations...1_000_000_000), ("batch size", batchSize, 1...65_536),
      ("context", sequenceLength, 1...max(1, model.contextLength)),
      ("number of shards", shardCount, 1...1024),
      ("number of micro-batches", microBatchCount, 1...max(1, batchSize)),
      ("warm-up", schedule.warmUpSteps, 0...1_000_000_000),
      ("evaluation interval", evaluationInterval, 1...1_000_000_000),
      ("size of an evaluation", evaluation.count, 1...1_000_000),
      ("sample interval", samples.interval ?? 1, 1...1_000_000_000),
      ("record interval", recordInterval, 1...1_000_000_000),
      ("number of sample tokens", samples.tokenCount, 1...1_000_000), ("top-k", samples.topK ?? 1, 1...1_000_000),
      ("number of prompts", samples.prompts.count, 1...1_000),
      ("checkpoint interval", checkpointInterval ?? 1, 1...1_000_000_000),
      ("number of kept checkpoints", keptCheckpoints, 1...1_000_000),
      ("number of timed forwards", timedForwards, 0...1_000_000),
    ]
    try model.validate()
    for (name, value, range) in counts where !range.contains(value) {
      throw ExperimentError(
        setting: name, "is \(value); it must be from \(range.lowerBound) to \(range.upperBound)")
    }
    func require(_ name: String, _ value: Float, _ isRight: (Float) -> Bool, _ what: String) throws {
      guard value.isFinite, isRight(value) else {
        throw ExperimentError(setting: name, "is \(value); it must be \(what)")
      }
    }
    for group in optimizer.groups {
      let name = group.rule.isOfMuonFamily ? "Muon's learning rate" : "learning rate"
      try require(name, group.rule.learningRate, { $0 > 0 }, "a positive number")
      try require("weight decay", group.rule.weightDecay, { $0 >= 0 }, "0 or more")
    }
    if let problem = optimizer.problem { throw ExperimentError(problem) }
    for frequency in optimizer.groups.compactMap(\.rule.preconditionFrequency) where frequency < 1 {
      throw ExperimentError(setting: "precondition frequency", "is \(frequency); it must be at least 1")
    }
    let keepsNorms = optimizer.groups.contains { if case .muon(let rule) = $0.rule { rule.keepsNorm } else { false } }
    guard !keepsNorms || model.residualProjections != .zero || initialWeights != nil else {
      throw ExperimentError(
        "MuonH keeps every matrix's norm, and this model's residual projections begin at zero: they would never learn; "
          + "choose plain or scaled ones")
    }
    try require("gradient clip", gradientClip ?? 1, { $0 > 0 }, "a positive number")
    try require("QK-clip", rules.queryKeyClip ?? 1, { $0 > 0 }, "a positive number")
    try require("final learning rate", schedule.finalShare, { (0...1).contains($0) }, "from 0 to 1")
    try require("temperature", samples.temperature, { $0 >= 0 }, "0 or more")
    try require("averaged share", averagedShare ?? 1, { $0 > 0 && $0 <= 1 }, "above 0 and at most 1")
    try require("dropout", dropout, { (0..<1).contains($0) }, "from 0 to below 1")
    try require("bias rate", rules.selectionBiasRate, { $0 >= 0 }, "0 or more")
    if let memoryLimit, memoryLimit < 1_000_000 {
      throw ExperimentError(setting: "memory limit", "is \(memoryLimit) bytes; it must be at least 1 MB")
    }
    guard tokensPerStep <= 1 << 28 else {
      throw ExperimentError(
        setting: "batch size", "is \(batchSize) sequences of \(sequenceLength) tokens, more than fit")
    }
  }
}

extension EvaluationPolicy {
  /// Random batches, or windows on the way.
  public var count: Int {
    get {
      switch self {
      case .randomWindows(let batches, _): batches
      case .fullPass(let windows): windows
      }
    }
    set {
      switch self {
      case .randomWindows(_, let splits): self = .randomWindows(batches: newValue, splits: splits)
      case .fullPass: self = .fullPass(windowsOnTheWay: newValue)
      }
    }
  }
}
