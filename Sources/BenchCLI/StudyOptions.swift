import ArgumentParser
import Foundation
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

  @Option(help: "A JSON file with any of these settings, named like the flags; flags win over it.")
  var config: String?

  @Option(parsing: .unconditional, help: "Training steps of each model.")
  var iterations: Int?

  @Option(parsing: .unconditional, help: "Steps from one evaluation to the next.")
  var evalInterval: Int?

  @Option(parsing: .unconditional, help: "Random batches of each split in an evaluation.")
  var evalIters: Int?

  @Option(parsing: .unconditional, help: "Sequences in a batch.")
  var batch: Int?

  @Option(parsing: .unconditional, help: "Characters in a sequence.")
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

  @Option(parsing: .unconditional, help: "TrueMuon's learning rate.")
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
    help:
      "Models to train, separated by commas: \(StudyModel.allCases.map(\.rawValue).joined(separator: ","))."
  )
  var models: String?

  /// Which study is meant.
  func presetName() throws -> PresetName {
    let file = try config.map(SettingsFile.read) ?? SettingsFile()
    return try Self.choose(preset ?? file.preset, for: "preset") ?? .seed
  }

  /// The character study that flags, file and preset make together, validated.
  func configuration() throws -> StudyConfiguration {
    let file = try config.map(SettingsFile.read) ?? SettingsFile()
    var study = StudyConfiguration(
      preset: try Self.choose(preset ?? file.preset, for: "preset") ?? .seed)
    func set<Value>(_ path: WritableKeyPath<StudyConfiguration, Value>, _ values: Value?...) {
      if let value = values.compactMap({ $0 }).first { study[keyPath: path] = value }
    }
    if Build.isDebug { study.shorten() }
    set(\.iterations, iterations, file.iterations)
    set(\.evaluationInterval, evalInterval, file.evalInterval)
    set(\.evaluationBatches, evalIters, file.evalIters)
    set(\.batchSize, batch, file.batch)
    set(\.contextLength, context, file.context)
    set(\.width, embd, file.embd)
    set(\.layerCount, layers, file.layers)
    set(\.headCount, heads, file.heads)
    set(\.expertCount, experts, file.experts)
    set(\.learningRate, lr, file.lr)
    set(\.muonLearningRate, muonLr, file.muonLr)
    set(\.seed, seed, file.seed)
    set(\.shardCount, shards, file.shards)
    set(\.precision, try Self.choose(precision ?? file.precision, for: "precision"))
    if let names = models ?? file.models {
      study.models = try names.split(separator: ",").map {
        try Self.choose($0.trimmingCharacters(in: .whitespaces), for: "model")!
      }
    }
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
}

/// All presets: those of the character study, and the stories study.
enum PresetName: String, CaseIterable {
  case seed, standard, stories
}

/// The settings of a `--config` file.
struct SettingsFile: Codable {
  var preset: String?
  var data: String?
  var iterations: Int?
  var evalInterval: Int?
  var evalIters: Int?
  var batch: Int?
  var context: Int?
  var embd: Int?
  var layers: Int?
  var heads: Int?
  var experts: Int?
  var lr: Float?
  var muonLr: Float?
  var seed: UInt64?
  var precision: String?
  var shards: Int?
  var models: String?
  var out: String?
  var size: String?
  var vocab: Int?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case preset, data, iterations, batch, context, embd, layers, heads, experts, lr, seed,
      precision, shards, models, out, size, vocab
    case evalInterval = "eval-interval"
    case evalIters = "eval-iters"
    case muonLr = "muon-lr"
  }

  static func read(_ path: String) throws -> SettingsFile {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ValidationError("\(path): no such file, or not readable")
    }
    guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw ValidationError("\(path): not a JSON object")
    }
    let known = CodingKeys.allCases.map(\.rawValue)
    if let unknown = object.keys.sorted().first(where: { !known.contains($0) }) {
      throw ValidationError(
        "\(path): unknown setting '\(unknown)'; known: \(known.joined(separator: ", "))")
    }
    do {
      return try JSONDecoder().decode(SettingsFile.self, from: data)
    } catch let error as DecodingError {
      throw ValidationError("\(path): \(error.summary)")
    }
  }
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
  /// A run short enough for an unoptimized build.
  fileprivate mutating func shorten() {
    iterations = 100
    evaluationInterval = 50
    evaluationBatches = 5
  }
}
