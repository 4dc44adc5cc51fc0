import ArgumentParser
import Foundation
import NanoLayers
import NanoModels
import NanoTensor
import NanoTraining

/// The flags that define a study. What a flag leaves open comes from `--config`, then from the preset.
struct StudyOptions: ParsableArguments {
  @Option(
    help:
      "Named settings to start from: \(PresetName.allCases.map(\.rawValue).joined(separator: ", "))."
  )
  var preset: String?

  /// For the help: ``SettingsFile/expand(_:)`` has taken it out of the command line before it is parsed.
  @Option(help: "A JSON file with any of these settings, named like the flags; flags win over it.")
  var config: String?

  @Option(parsing: .unconditional, help: "Training steps of each model.")
  var iterations: Int?

  @Option(parsing: .unconditional, help: "Steps from one evaluation to the next.")
  var evalInterval: Int?

  @Option(parsing: .unconditional, help: "Random batches of each split in an evaluation; windows in one of stories.")
  var evalIters: Int?

  @Option(parsing: .unconditional, help: "Sequences in a batch.")
  var batch: Int?

  @Option(parsing: .unconditional, help: "Characters in a sequence, or pieces of stories.")
  var context: Int?

  @Option(parsing: .unconditional, help: "Width of the models.")
  var embd: Int?

  @Option(parsing: .unconditional, help: "Transformer blocks.")
  var layers: Int?

  @Option(parsing: .unconditional, help: "Attention heads; must divide --embd.")
  var heads: Int?

  @Option(parsing: .unconditional, help: "Experts of NanoKimi's mixtures.")
  var experts: Int?

  @Option(parsing: .unconditional, help: "AdamW's learning rate.")
  var lr: Float?

  @Option(parsing: .unconditional, help: "The learning rate of TrueMuon, or of Muon on stories.")
  var muonLr: Float?

  @Option(parsing: .unconditional, help: "What all randomness comes from.")
  var seed: UInt64?

  @Option(
    help:
      "Operands of matrix products: \(Precision.allCases.map(\.rawValue).joined(separator: ", ")).")
  var precision: String?

  @Option(parsing: .unconditional, help: "Parts that a batch is split into; results depend on it.")
  var shards: Int?

  @Option(
    help: """
      Models to train, separated by commas, by default all: \
      \(StudyModel.allCases.map(\.rawValue).joined(separator: ", ")); of stories \
      \(StoriesModel.allCases.map(\.rawValue).joined(separator: ", ")).
      """)
  var models: String?

  /// Which study is meant.
  func presetName() throws -> PresetName {
    try Self.choose(preset, for: "preset") ?? .seed
  }

  /// The character study that flags and preset make together, validated.
  /// - Parameter begun: the study that a resumed run was begun with; flags can only contradict it.
  func configuration(
    startingFrom begun: StudyConfiguration? = nil
  ) throws -> StudyConfiguration {
    let preset: StudyPreset? = try Self.choose(preset, for: "preset")
    var study = begun ?? StudyConfiguration(preset: preset ?? .seed)
    if begun == nil, Build.isDebug { study.shorten() }
    assign(preset, to: &study.preset)
    assign(iterations, to: &study.iterations)
    assign(evalInterval, to: &study.evaluationInterval)
    assign(evalIters, to: &study.evaluationBatches)
    assign(batch, to: &study.batchSize)
    assign(context, to: &study.contextLength)
    assign(embd, to: &study.width)
    assign(layers, to: &study.layerCount)
    assign(heads, to: &study.headCount)
    assign(experts, to: &study.expertCount)
    assign(lr, to: &study.learningRate)
    assign(muonLr, to: &study.muonLearningRate)
    assign(seed, to: &study.seed)
    assign(shards, to: &study.shardCount)
    assign(try Self.choose(precision, for: "precision"), to: &study.precision)
    assign(try Self.chooseAll(models, for: "model"), to: &study.models)
    try study.validate()
    return study
  }

  /// The case that a text names.
  static func choose<Choice: RawRepresentable<String> & CaseIterable>(
    _ text: String?, for kind: String
  ) throws -> Choice? {
    guard let text else { return nil }
    guard let choice = Choice(rawValue: text) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("unknown \(kind) '\(text)'; known: \(known)")
    }
    return choice
  }

  /// The cases that a text names, separated by commas.
  static func chooseAll<Choice: RawRepresentable<String> & CaseIterable>(
    _ text: String?, for kind: String
  ) throws -> [Choice]? {
    try text?.split(separator: ",").map {
      try choose($0.trimmingCharacters(in: .whitespaces), for: kind)!
    }
  }
}

/// Sets what a flag gave.
func assign<Value>(_ value: Value?, to target: inout Value) {
  if let value { target = value }
}

/// All presets: those of the character study, and the stories study.
enum PresetName: String, CaseIterable {
  case seed, standard, stories
}

/// How this program was compiled.
enum Build {
  static var isDebug: Bool {
    #if DEBUG
      true
    #else
      false
    #endif
  }
}

extension StudyConfiguration {
  /// A study of one model that was trained before, with its sizes.
  init(of initial: InitialModel, preset options: StudyOptions) throws {
    self = try options.configuration()
    let sizes = initial.contents.model.configuration as? DecoderConfiguration
    if let sizes, let heads = sizes.multiHead {
      contextLength = sizes.contextLength
      width = sizes.width
      layerCount = sizes.layerCount
      headCount = heads.headCount
      attentionScale = heads.scale
      if case .denseMoE(let experts) = sizes.feedForward { expertCount = experts.expertCount }
    }
    models = StudyModel.allCases.filter { model in
      sizes.map { decoder(of: model, vocabularySize: $0.vocabularySize) } == sizes
    }
    guard sizes != nil, !models.isEmpty else {
      throw RunError("\(initial.path): not a model of characters; add --preset stories for one of stories")
    }
  }

  /// A run short enough for an unoptimized build.
  fileprivate mutating func shorten() {
    iterations = 100
    evaluationInterval = 50
    evaluationBatches = 5
  }
}
