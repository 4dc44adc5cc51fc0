import ArgumentParser
import Foundation
import NanoAutograd
import NanoLayers
import NanoModels
import NanoTraining

/// The flags of the stories study alone. Those it shares with the character study are ``StudyOptions``.
struct StoriesOptions: ParsableArguments {
  @Option(help: "Sizes of NanoKimiK2 and its partner: \(list(FamilySize.self)).")
  var size: String?

  @Option(parsing: .unconditional, help: "Pieces of the tokenizer that is trained.")
  var vocab: Int?

  // MARK: Model

  @Option(parsing: .unconditional, help: "Width of the key/value latent.")
  var kvRank: Int?

  @Option(parsing: .unconditional, help: "Width of the query latent; 0 for none.")
  var qRank: Int?

  @Option(parsing: .unconditional, help: "Channels of a head's keys without position.")
  var nopeDim: Int?

  @Option(parsing: .unconditional, help: "Rotated channels of a head's keys.")
  var ropeDim: Int?

  @Option(parsing: .unconditional, help: "Channels of a head's values.")
  var vDim: Int?

  @Option(parsing: .unconditional, help: "Experts that a token goes to.")
  var expertsPerToken: Int?

  @Option(parsing: .unconditional, help: "Experts that every token goes to.")
  var sharedExperts: Int?

  @Option(parsing: .unconditional, help: "Hidden width of an expert.")
  var expertWidth: Int?

  @Option(parsing: .unconditional, help: "First layers with a dense network.")
  var denseLayers: Int?

  @Option(parsing: .unconditional, help: "Hidden width of the dense networks.")
  var denseWidth: Int?

  @Option(help: "How routers score experts: sigmoid, softmax.")
  var gating: String?

  @Option(parsing: .unconditional, help: "Factor on the experts' weights (routed_scaling_factor).")
  var routedScale: Float?

  // MARK: Training

  @Option(help: "Who updates NanoKimiK2: \(list(OptimizerKind.self)).")
  var kimiOptimizer: String?

  @Option(help: "Who updates NanoGPT: \(list(OptimizerKind.self)).")
  var gptOptimizer: String?

  @Flag(help: "Muon orthogonalizes the blocks of each attention head by themselves.")
  var splitHeads = false

  @Option(help: "The learning rate after warm-up: \(list(ScheduleKind.self)).")
  var schedule: String?

  @Option(parsing: .unconditional, help: "Steps of linear warm-up; at most half of the run.")
  var warmup: Int?

  @Option(parsing: .unconditional, help: "Decoupled weight decay.")
  var weightDecay: Float?

  @Option(parsing: .unconditional, help: "Largest global gradient norm; 0 for no clipping.")
  var clip: Float?

  @Option(parsing: .unconditional, help: "NanoGPT's dropout: embeddings, attention, residual branches.")
  var dropout: Float?

  @Option(parsing: .unconditional, help: "Micro-batches that a batch is worked through in.")
  var accumulate: Int?

  @Option(
    parsing: .unconditional,
    help: "QK-clip's threshold, for NanoKimiK2 and a NanoGPT that Muon trains; 0 for none.")
  var qkClip: Float?

  @Option(parsing: .unconditional, help: "How far selection biases move in a step.")
  var biasRate: Float?

  @Option(parsing: .unconditional, help: "Coefficient of the sequence-wise balance loss.")
  var balanceLoss: Float?

  @Option(parsing: .unconditional, help: "Coefficient of the router z-loss.")
  var zLoss: Float?

  @Flag(help: "Recompute blocks in the backward pass: less memory, more time.")
  var activationCheckpointing = false

  @Option(help: "Bytes that tensors may hold, such as 800MB.")
  var memoryLimit: String?

  /// The study that these flags and the shared ones make together, validated.
  /// - Parameter begun: the study that a resumed run was begun with, or that its first weights make; flags can only
  ///   contradict its sizes.
  func configuration(
    _ shared: StudyOptions, startingFrom begun: StoriesConfiguration? = nil
  ) throws -> StoriesConfiguration {
    let size = try StudyOptions.choose(size, for: "size") ?? begun?.size ?? .small
    var study =
      begun
      ?? StoriesConfiguration(
        size: size, vocabularySize: vocab ?? 4096, contextLength: shared.context ?? 256)
    if begun != nil {
      guard vocab == nil else {
        throw ValidationError("--vocab is for a new tokenizer; this run has one")
      }
      study.size = size
      if let context = shared.context, context != study.contextLength { study.windowLength = context }
    } else if Build.isDebug {
      study.iterations = 10
    }
    try setSizes(&study, shared)
    try setTraining(&study, shared)
    try study.validate()
    return study
  }

  private func setSizes(
    _ study: inout StoriesConfiguration, _ shared: StudyOptions
  ) throws {
    if let width = shared.embd {
      study.kimi.width = width
      study.gpt.width = width
      study.gpt.feedForward = .mlp(width: 4 * width, activation: .gelu, hasBias: true)
    }
    if let layers = shared.layers {
      study.kimi.layerCount = layers
      study.gpt.layerCount = layers
    }
    if let heads = shared.heads {
      study.kimi.headCount = heads
      study.gpt.headCount = heads
    }
    guard case .sparseMoE(var experts, var denseLayerCount, var denseWidth) = study.kimi.feedForward,
      var heads = study.kimi.latent
    else { return }
    assign(shared.experts, to: &experts.expertCount)
    assign(expertsPerToken, to: &experts.topK)
    assign(sharedExperts, to: &experts.sharedExpertCount)
    assign(expertWidth, to: &experts.expertWidth)
    assign(denseLayers, to: &denseLayerCount)
    assign(self.denseWidth, to: &denseWidth)
    assign(kvRank, to: &heads.keyValueRank)
    assign(nopeDim, to: &heads.nopeWidth)
    assign(ropeDim, to: &heads.ropeWidth)
    assign(vDim, to: &heads.valueWidth)
    assign(routedScale, to: &experts.scale)
    assign(balanceLoss, to: &experts.balanceLossCoefficient)
    assign(zLoss, to: &experts.zLossCoefficient)
    if let qRank { heads.queryRank = qRank == 0 ? nil : qRank }
    if splitHeads { heads.splitsHeads = true }
    if let gating {
      guard let scoring = RouterScoring(rawValue: gating) else {
        throw ValidationError("unknown gating '\(gating)'; known: sigmoid, softmax")
      }
      experts.scoring = scoring
    }
    study.kimi.feedForward = .sparseMoE(
      experts: experts, denseLayerCount: denseLayerCount, denseWidth: denseWidth)
    study.kimi.latent = heads
  }

  private func setTraining(
    _ study: inout StoriesConfiguration, _ shared: StudyOptions
  ) throws {
    assign(shared.iterations, to: &study.iterations)
    assign(shared.evalInterval, to: &study.evaluationInterval)
    assign(shared.evalIters, to: &study.evaluationWindows)
    assign(shared.batch, to: &study.batchSize)
    assign(shared.seed, to: &study.seed)
    assign(shared.shards, to: &study.shardCount)
    assign(shared.lr, to: &study.learningRate)
    assign(shared.muonLr, to: &study.muonLearningRate)
    assign(
      try StudyOptions.choose(shared.precision, for: "precision"),
      to: &study.precision)
    assign(try StudyOptions.choose(kimiOptimizer, for: "optimizer"), to: &study.kimiOptimizer)
    assign(try StudyOptions.choose(gptOptimizer, for: "optimizer"), to: &study.gptOptimizer)
    assign(try StudyOptions.choose(schedule, for: "schedule"), to: &study.schedule)
    assign(warmup, to: &study.warmupSteps)
    assign(weightDecay, to: &study.weightDecay)
    assign(dropout, to: &study.gptDropout)
    assign(accumulate, to: &study.microBatchCount)
    assign(biasRate, to: &study.rules.selectionBiasRate)
    if let clip { study.gradientClip = clip == 0 ? nil : clip }
    if let qkClip { study.rules.queryKeyClip = qkClip == 0 ? nil : qkClip }
    if activationCheckpointing { study.checkpointsActivations = true }
    if let memoryLimit { study.memoryLimit = try ByteCount(memoryLimit).bytes }
    assign(try StudyOptions.chooseAll(shared.models, for: "model"), to: &study.models)
  }

  private static func list<Choice: CaseIterable & RawRepresentable<String>>(
    _ type: Choice.Type
  ) -> String {
    Choice.allCases.map(\.rawValue).joined(separator: ", ")
  }
}

/// A count of bytes as people write it: `800MB`, `800M`, `1.5 GiB`, `4096`.
struct ByteCount {
  let bytes: Int

  init(_ text: String) throws {
    let units: [(suffix: String, factor: Double)] = [
      ("kib", 1024), ("mib", 1_048_576), ("gib", 1_073_741_824), ("kb", 1e3), ("mb", 1e6),
      ("gb", 1e9), ("b", 1), ("k", 1e3), ("m", 1e6), ("g", 1e9), ("", 1),
    ]
    let lower = text.lowercased().filter { !$0.isWhitespace }
    let unit = units.first { lower.hasSuffix($0.suffix) }!
    guard let number = Double(lower.dropLast(unit.suffix.count)), number > 0,
      number * unit.factor < 1e18
    else {
      throw ValidationError("'\(text)' is not a size in bytes; write for example 800MB or 2GiB")
    }
    bytes = Int(number * unit.factor)
  }
}
