public import NanoLayers
public import NanoModels
public import NanoOptim
public import NanoTensor

/// Everything that defines a run of the character study.
public struct StudyConfiguration: ComparisonConfiguration, Hashable {
  public var preset: StudyPreset
  public var presetName: String { preset.rawValue }
  public var iterations: Int
  /// Iterations from one evaluation to the next; the last iteration is evaluated too.
  public var evaluationInterval: Int
  /// Random batches of each split in one evaluation.
  public var evaluationBatches: Int
  public var batchSize: Int
  public var contextLength: Int
  public var width: Int
  public var layerCount: Int
  public var headCount: Int
  public var expertCount: Int
  public var attentionScale: MultiHeadAttention.Configuration.Scale
  /// AdamW's.
  public var learningRate: Float
  /// TrueMuon's.
  public var muonLearningRate: Float
  public var seed: UInt64
  public var precision: Precision
  public var shardCount: Int
  public var models: [StudyModel]
  /// Iterations from one checkpoint to the next; nil for none on the way.
  public var checkpointInterval: Int?
  /// Checkpoints that are kept of each model.
  public var keptCheckpoints = 2

  public init(preset: StudyPreset) {
    self = preset.configuration
  }

  fileprivate init(
    preset: StudyPreset, attentionScale: MultiHeadAttention.Configuration.Scale
  ) {
    self.preset = preset
    iterations = 10_000
    evaluationInterval = 100
    evaluationBatches = 200
    batchSize = 16
    contextLength = 32
    width = 64
    layerCount = 4
    headCount = 4
    expertCount = 4
    self.attentionScale = attentionScale
    learningRate = 1e-3
    muonLearningRate = 1e-2
    seed = 1337
    precision = .float32
    shardCount = 2
    models = StudyModel.allCases
  }

  public var learningRateSchedule: any LearningRateSchedule { ConstantSchedule() }
  public var modelNames: [String] { models.map(\.rawValue) }

  /// A model for a vocabulary.
  public func decoder(of model: StudyModel, vocabularySize: Int) -> DecoderConfiguration {
    switch model {
    case .nanoGPT:
      .nanoGPT(
        vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layerCount,
        headCount: headCount, attentionScale: attentionScale)
    case .nanoKimi:
      .nanoKimi(
        vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layerCount,
        headCount: headCount, expertCount: expertCount, attentionScale: attentionScale)
    }
  }

  /// How its models are trained. The published study has no QK-clip.
  public var trainer: TrainerConfiguration {
    TrainerConfiguration(shardCount: shardCount, precision: precision, rules: StepRules(queryKeyClip: nil))
  }

  /// Throws when a value is out of range or two contradict each other.
  public func validate() throws(ConfigurationError) {
    let ranges: [(name: String, value: Int, range: ClosedRange<Int>)] = [
      ("iterations", iterations, 1...1_000_000_000),
      ("eval-interval", evaluationInterval, 1...1_000_000_000),
      ("eval-iters", evaluationBatches, 1...1_000_000), ("batch", batchSize, 1...65_536),
      ("shards", shardCount, 1...1024), ("checkpoint-every", checkpointInterval ?? 1, 1...1_000_000_000),
      ("keep", keptCheckpoints, 1...1_000_000),
    ]
    for (name, value, range) in ranges where !range.contains(value) {
      throw ConfigurationError(
        "\(name) is \(value); it must be from \(range.lowerBound) to \(range.upperBound)")
    }
    for (name, rate) in [("lr", learningRate), ("muon-lr", muonLearningRate)]
    where !(rate > 0 && rate.isFinite) {
      throw ConfigurationError("\(name) is \(rate); it must be a positive number")
    }
    guard !models.isEmpty, Set(models).count == models.count else {
      throw ConfigurationError("models must name at least one model, each once")
    }
    for model in StudyModel.allCases { try decoder(of: model, vocabularySize: 65).validate() }
    // Logits, probabilities and block activations of one step: a rough lower bound of what it holds.
    let tokens = Double(batchSize) * Double(contextLength)
    let perToken = 4 * Double(layerCount) * Double(width * 12 + headCount * contextLength)
    guard tokens * perToken < Double(Machine.current.memoryBytes) else {
      throw ConfigurationError(
        "one step at these sizes needs about \(Int(tokens * perToken / 1e9)) GB of activations, more "
          + "than this machine's memory; reduce batch, context, embd or layers")
    }
  }
}

/// A named configuration.
public enum StudyPreset: String, CaseIterable, Hashable, Sendable, Codable {
  /// The published study, its unusual attention scale included.
  case seed
  /// The same study with the attention scaled by the width of a head, as is usual.
  case standard

  public var configuration: StudyConfiguration {
    switch self {
    case .seed: StudyConfiguration(preset: self, attentionScale: .modelWidth)
    case .standard: StudyConfiguration(preset: self, attentionScale: .headWidth)
    }
  }
}

/// A contestant.
public enum StudyModel: String, CaseIterable, Hashable, Sendable, Codable {
  case nanoGPT = "nanogpt"
  case nanoKimi = "nanokimi"

  public var displayName: String {
    switch self {
    case .nanoGPT: "NanoGPT"
    case .nanoKimi: "NanoKimi"
    }
  }
}
