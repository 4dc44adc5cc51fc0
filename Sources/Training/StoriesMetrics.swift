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
  public var learningRate: Double
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
  private let csv, jsonLines: LineFile

  private static let columns = [
    "step", "loss", "nll", "balance_loss", "z_loss", "learning_rate", "gradient_norm",
    "tokens_per_second", "seconds", "update_seconds", "current_tensor_bytes", "peak_tensor_bytes",
    "resident_bytes", "micro_batches", "maximal_violation", "load_entropy", "router_entropy",
    "dead_experts", "largest_bias", "smallest_bias", "largest_router_logit",
    "largest_attention_logit",
  ]

  /// Starts the files, or continues those that are there: lines of steps from `firstStep` on, left by a run
  /// that was killed after its last checkpoint, are dropped.
  init(folder: String, firstStep: Int) throws {
    let (csvPath, jsonPath) = (folder + "/metrics.csv", folder + "/metrics.jsonl")
    csv = try LineFile(
      continuing: csvPath,
      with: [Self.columns.joined(separator: ",")] + Self.lines(csvPath).dropFirst().prefix(firstStep))
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
    let mixtures = record.mixtures
    func mean(_ value: (MixtureRecord) -> Double) -> Double { mixtures.map(value).mean }
    let numbers: [Double] = [
      record.loss, record.nll, record.balanceLoss, record.zLoss, record.learningRate,
      record.gradientNorm, record.tokensPerSecond, record.seconds, record.updateSeconds,
      Double(record.currentTensorBytes), Double(record.peakTensorBytes),
      Double(record.residentBytes), Double(record.microBatches),
      mixtures.map(\.maximalViolation).max() ?? 0, mean(\.loadEntropy), mean(\.routerEntropy),
      Double(mixtures.reduce(0) { $0 + $1.deadExperts }),
      Double(mixtures.map(\.largestBias).max() ?? 0),
      Double(mixtures.map(\.smallestBias).min() ?? 0),
      Double(mixtures.map(\.largestRouterLogit).max() ?? 0),
      Double(record.largestAttentionLogits.max() ?? 0),
    ]
    try csv.append(
      "\(record.step)," + numbers.map { String(format: "%.7g", $0) }.joined(separator: ","))
  }
}
