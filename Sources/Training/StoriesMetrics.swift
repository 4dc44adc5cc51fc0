internal import Foundation
internal import NanoData
internal import NanoLayers
internal import NanoModels
internal import NanoTensor

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

/// Running mean loads of the experts of every mixture.
struct LoadAverages: Hashable, Sendable, Codable {
  /// One entry a mixture: shares of the assignments.
  private(set) var shares: [[Double]] = []
  private static let decay = 0.98

  mutating func add(_ routing: [RoutingStatistics]) {
    let now = routing.map { statistics in
      let total = Double(max(1, statistics.loads.reduce(0, +)))
      return statistics.loads.map { Double($0) / total }
    }
    guard !shares.isEmpty else {
      shares = now
      return
    }
    for index in shares.indices {
      shares[index] = zip(shares[index], now[index]).map {
        Self.decay * $0 + (1 - Self.decay) * $1
      }
    }
  }

  func deadExperts(ofMixture index: Int) -> Int {
    let mean = 1 / Double(max(1, shares[index].count))
    return shares[index].count { $0 < 0.01 * mean }
  }
}

/// `metrics.csv` and `metrics.jsonl` of one model: a line a step, each handed to the system when written.
final class MetricsLog {
  private typealias Column = (name: String, value: @Sendable (StepRecord) -> Double?)

  private let jsonLines: LineFile
  private let csvPath: String
  /// Lines of `metrics.csv` from before this run.
  private let keptLines: [String]
  /// Opened with the first record, whose layers decide on the columns.
  private var csv: (file: LineFile, columns: [Column])?

  /// What is told of the whole model; a mixture's figure is the largest, smallest or mean of all mixtures.
  private static let modelColumns: [Column] = [
    ("step", { Double($0.step) }),
    ("loss", { $0.loss }),
    ("nll", { $0.nll }),
    ("balance_loss", { $0.balanceLoss }),
    ("z_loss", { $0.zLoss }),
    ("learning_rate", { $0.learningRate }),
    ("muon_learning_rate", { $0.muonLearningRate }),
    ("gradient_norm", { $0.gradientNorm }),
    ("tokens_per_second", { $0.tokensPerSecond }),
    ("seconds", { $0.seconds }),
    ("update_seconds", { $0.updateSeconds }),
    ("current_tensor_bytes", { Double($0.currentTensorBytes) }),
    ("peak_tensor_bytes", { Double($0.peakTensorBytes) }),
    ("resident_bytes", { Double($0.residentBytes) }),
    ("micro_batches", { Double($0.microBatches) }),
    ("maximal_violation", { $0.mixtures.map(\.maximalViolation).max() }),
    ("load_entropy", { $0.mixtures.isEmpty ? nil : $0.mixtures.map(\.loadEntropy).mean }),
    ("router_entropy", { $0.mixtures.isEmpty ? nil : $0.mixtures.map(\.routerEntropy).mean }),
    ("dead_experts", { Double($0.mixtures.reduce(0) { $0 + $1.deadExperts }) }),
    ("largest_bias", { $0.mixtures.map(\.largestBias).max().map(Double.init) }),
    ("smallest_bias", { $0.mixtures.map(\.smallestBias).min().map(Double.init) }),
    ("largest_router_logit", { $0.mixtures.map(\.largestRouterLogit).max().map(Double.init) }),
    ("largest_attention_logit", { $0.largestAttentionLogits.max().map(Double.init) }),
    ("loss_scale", { $0.lossScale }),
  ]

  private static let mixtureColumns: [(name: String, value: @Sendable (MixtureRecord) -> Double)] = [
    ("maximal_violation", { $0.maximalViolation }),
    ("load_entropy", { $0.loadEntropy }),
    ("router_entropy", { $0.routerEntropy }),
    ("dead_experts", { Double($0.deadExperts) }),
    ("largest_bias", { Double($0.largestBias) }),
    ("smallest_bias", { Double($0.smallestBias) }),
    ("largest_router_logit", { Double($0.largestRouterLogit) }),
  ]

  /// The model's columns, then those of each mixture and each attention layer, counted from 1.
  private static func columns(of record: StepRecord) -> [Column] {
    var columns = modelColumns
    for (layer, mixture) in record.mixtures.enumerated() {
      for expert in mixture.loads.indices {
        columns.append(
          ("mixture\(layer + 1)_load\(expert + 1)", { $0.mixtures[layer].loads[expert] }))
      }
      for column in mixtureColumns {
        columns.append(
          ("mixture\(layer + 1)_\(column.name)", { column.value($0.mixtures[layer]) }))
      }
    }
    for layer in record.largestAttentionLogits.indices {
      columns.append(
        ("attention\(layer + 1)_largest_logit", { Double($0.largestAttentionLogits[layer]) }))
    }
    return columns
  }

  /// Starts the files, or continues those that are there: lines of steps from `firstStep` on, left by a run
  /// that was killed after its last checkpoint, are dropped.
  init(folder: String, firstStep: Int) throws {
    let jsonPath = folder + "/metrics.jsonl"
    csvPath = folder + "/metrics.csv"
    keptLines = Array(Self.lines(csvPath).dropFirst().prefix(firstStep))
    jsonLines = try LineFile(
      continuing: jsonPath, with: Array(Self.lines(jsonPath).prefix(firstStep)))
  }

  private static func lines(_ path: String) -> [String] {
    guard let data = FileManager.default.contents(atPath: path) else { return [] }
    return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  func append(_ record: StepRecord) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    try jsonLines.append(String(decoding: try encoder.encode(record), as: UTF8.self))
    let (file, columns) = try csv ?? openCSV(for: record)
    let fields = columns.map { column in
      column.value(record).map { String(format: "%.7g", $0) } ?? ""
    }
    try file.append(fields.joined(separator: ","))
  }

  private func openCSV(for record: StepRecord) throws -> (file: LineFile, columns: [Column]) {
    let columns = Self.columns(of: record)
    let header = columns.map(\.name).joined(separator: ",")
    let opened = (try LineFile(continuing: csvPath, with: [header] + keptLines), columns)
    csv = opened
    return opened
  }
}
