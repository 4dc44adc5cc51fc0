internal import NanoLayers
public import NanoModels
public import NanoOptim
public import NanoTensor

/// Everything that defines a run of the stories study.
public struct StoriesConfiguration: ComparisonConfiguration, Hashable {
  public var presetName: String { "stories" }
  /// `nanokimik2`; its vocabulary and context are the study's.
  public var kimi: DecoderConfiguration
  /// `nanogpt`.
  public var gpt: DecoderConfiguration
  public var size: FamilySize
  public var models: [StoriesModel]

  public var iterations = 2_000
  /// Sequences in a step's batch.
  public var batchSize = 16
  public var shardCount = 6
  /// Micro-batches that a step's batch is worked through in.
  public var microBatchCount = 1
  public var precision = Precision.float32
  public var seed: UInt64 = 1337

  public var kimiOptimizer = OptimizerKind.muon
  public var gptOptimizer = OptimizerKind.adamW
  /// AdamW's, in both models.
  public var learningRate: Float = 2e-3
  /// Muon's, in both models; its updates have the root mean square of AdamW's, so the same rate suits it.
  public var muonLearningRate: Float = 2e-3
  public var weightDecay: Float = 0.1
  public var beta2: Float = 0.95
  public var gradientClip: Float? = 1
  public var schedule = ScheduleKind.cosine
  /// Steps of linear warm-up; at most half of a run.
  public var warmupSteps = 100
  /// Learning rate at the end, as a share of the peak.
  public var finalLearningRateShare: Float = 0.1
  public var rules = StepRules()
  /// NanoGPT's dropout: of embeddings, residual branches and attention probabilities.
  public var gptDropout: Float = 0

  /// Steps from one evaluation to the next; the end is evaluated too.
  public var evaluationInterval = 250
  /// Windows of the validation stories read in an evaluation on the way; the last one reads all.
  public var evaluationWindows = 64
  /// Steps from one set of samples, or one checkpoint, to the next; nil for none on the way.
  public var sampleInterval: Int?
  public var checkpointInterval: Int?
  /// Checkpoints that are kept beside the best.
  public var keptCheckpoints = 2
  public var checkpointsActivations = false
  /// Bytes that tensors may hold in forward and backward passes; nil for what the system has left.
  public var memoryLimit: Int?

  public init(
    size: FamilySize = .small, vocabularySize: Int = 4096,
    contextLength: Int = 256
  ) {
    self.size = size
    kimi = .nanoKimiK2(size: size, vocabularySize: vocabularySize, contextLength: contextLength)
    gpt = .nanoGPT2(besides: kimi)
    models = [.nanoGPT, .nanoKimiK2, .nanoGPTTotal]
  }

  public var vocabularySize: Int { kimi.vocabularySize }
  /// Tokens of a sequence: the models' context, or what a run with models from elsewhere has instead.
  public var contextLength: Int { windowLength ?? kimi.contextLength }
  public var windowLength: Int?
  public var modelNames: [String] { models.map(\.rawValue) }

  /// A study of one model of given sizes.
  public init?(of configuration: any ModelConfiguration) {
    self.init(
      vocabularySize: configuration.vocabularySize, contextLength: configuration.contextLength)
    guard let decoder = configuration as? DecoderConfiguration else { return nil }
    if decoder.sparseMoE != nil {
      (kimi, models) = (decoder, [.nanoKimiK2])
    } else {
      (gpt, models) = (decoder, [.nanoGPT])
    }
  }

  public func decoder(of model: StoriesModel) -> DecoderConfiguration {
    switch model {
    case .nanoGPT: gpt
    case .nanoGPTTotal: gpt.matchingParameters(of: kimi)
    case .nanoKimiK2: kimi
    }
  }

  /// Sets the vocabulary of both models.
  public mutating func setVocabularySize(_ size: Int) {
    kimi.vocabularySize = size
    gpt.vocabularySize = size
  }

  /// The schedule of a run.
  public var learningRateSchedule: any LearningRateSchedule {
    let warmup = min(warmupSteps, iterations / 2)
    switch schedule {
    case .cosine:
      return CosineSchedule(
        warmUpSteps: warmup, totalSteps: iterations, finalFactor: finalLearningRateShare)
    case .wsd:
      return WarmUpStableDecaySchedule(
        warmUpSteps: warmup, decaySteps: iterations / 5, totalSteps: iterations,
        finalFactor: finalLearningRateShare)
    case .constant:
      return ConstantSchedule(warmUpSteps: warmup)
    }
  }

  public func optimizer(of model: StoriesModel) -> OptimizerKind {
    model == .nanoKimiK2 ? kimiOptimizer : gptOptimizer
  }

  public func trainer(of model: StoriesModel) -> TrainerConfiguration {
    var trainer = TrainerConfiguration(
      shardCount: shardCount, microBatchCount: microBatchCount, precision: precision,
      gradientClip: gradientClip, checkpointsActivations: checkpointsActivations, rules: rules)
    if model != .nanoKimiK2 {
      trainer.dropout = gptDropout
      // The plain baseline stays what it is elsewhere; Muon is what makes logits grow.
      if gptOptimizer == .adamW { trainer.rules.queryKeyClip = nil }
    }
    trainer.dropoutSeed = seed
    return trainer
  }

  /// Throws when a value is out of range or two contradict each other.
  public func validate() throws(ConfigurationError) {
    let ranges: [(name: String, value: Int, range: ClosedRange<Int>)] = [
      ("iterations", iterations, 1...1_000_000_000), ("batch", batchSize, 1...65_536),
      ("shards", shardCount, 1...1024), ("accumulate", microBatchCount, 1...max(1, batchSize)),
      ("warmup", warmupSteps, 0...1_000_000_000),
      ("eval-interval", evaluationInterval, 1...1_000_000_000),
      ("eval-iters", evaluationWindows, 1...1_000_000),
      ("sample-every", sampleInterval ?? 1, 1...1_000_000_000),
      ("checkpoint-every", checkpointInterval ?? 1, 1...1_000_000_000),
      ("keep", keptCheckpoints, 1...1_000_000),
    ]
    for (name, value, range) in ranges where !range.contains(value) {
      throw ConfigurationError(
        "\(name) is \(value); it must be from \(range.lowerBound) to \(range.upperBound)")
    }
    let rates: [(name: String, value: Float)] = [
      ("lr", learningRate), ("muon-lr", muonLearningRate), ("clip", gradientClip ?? 1),
      ("qk-clip", rules.queryKeyClip ?? 1),
    ]
    for (name, value) in rates where !(value > 0 && value.isFinite) {
      throw ConfigurationError("\(name) is \(value); it must be a positive number")
    }
    if let windowLength, !(1...kimi.contextLength).contains(windowLength) {
      throw ConfigurationError(
        "context is \(windowLength); it must be from 1 to the model's \(kimi.contextLength)")
    }
    guard gptDropout >= 0, gptDropout < 1 else {
      throw ConfigurationError("dropout is \(gptDropout); it must be from 0 to below 1")
    }
    let factors: [(name: String, value: Float)] = [
      ("weight-decay", weightDecay), ("bias-rate", rules.selectionBiasRate),
    ]
    for (name, value) in factors where !(value >= 0 && value.isFinite) {
      throw ConfigurationError("\(name) is \(value); it must be 0 or more")
    }
    if let memoryLimit, memoryLimit < 1_000_000 {
      throw ConfigurationError("memory-limit is \(memoryLimit) bytes; it must be at least 1 MB")
    }
    guard !models.isEmpty, Set(models).count == models.count else {
      throw ConfigurationError("models must name at least one model, each once")
    }
    try kimi.validate()
    try gpt.validate()
  }
}

extension StoriesConfiguration {
  /// What ``OptimizerKind/adamW`` stands for.
  public var adamWRule: RoutedOptimizer<AdamW, AdamW> {
    StoriesRecipe.adamW(learningRate: learningRate, beta2: beta2, weightDecay: weightDecay)
  }

  /// What ``OptimizerKind/muon`` stands for.
  public var muonRule: RoutedOptimizer<Muon, RoutedOptimizer<AdamW, AdamW>> {
    StoriesRecipe.muon(
      learningRate: learningRate, muonLearningRate: muonLearningRate, beta2: beta2,
      weightDecay: weightDecay, precision: precision)
  }
}
