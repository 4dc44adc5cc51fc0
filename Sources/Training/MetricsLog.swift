internal import Foundation
internal import NanoCommunication
internal import NanoData

/// `metrics.csv` and `metrics.jsonl` of one model: a line a step, each handed to the system when written.
package final class MetricsLog {
  private typealias Column = (name: String, value: @Sendable (StepRecord) -> Double?)

  private let jsonLines: LineFile
  private let csvPath: String
  /// Lines of `metrics.csv` from before this run.
  private let keptLines: [String]
  /// Opened with the first record, whose layers decide on the columns.
  private var csv: (file: LineFile, columns: [Column])?

  private static let stepColumns: [Column] = [
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
  ]

  /// A figure of a mixture, and what it comes to for all mixtures of a model.
  private typealias MixtureColumn = (
    name: String, value: @Sendable (MixtureRecord) -> Double,
    ofAll: @Sendable ([Double]) -> Double?
  )

  private static let mixtureColumns: [MixtureColumn] = [
    ("maximal_violation", { $0.maximalViolation }, { $0.max() }),
    ("load_entropy", { $0.loadEntropy }, { $0.isEmpty ? nil : $0.mean }),
    ("router_entropy", { $0.routerEntropy }, { $0.isEmpty ? nil : $0.mean }),
    ("dead_experts", { Double($0.deadExperts) }, { $0.reduce(0, +) }),
    ("largest_bias", { Double($0.largestBias) }, { $0.max() }),
    ("smallest_bias", { Double($0.smallestBias) }, { $0.min() }),
    ("largest_router_logit", { Double($0.largestRouterLogit) }, { $0.max() }),
  ]

  private static let lastColumns: [Column] = [
    ("largest_attention_logit", { $0.largestAttentionLogits.max().map(Double.init) }),
    ("loss_scale", { $0.lossScale }),
  ]

  /// The model's columns, then those of each mixture and each attention layer, counted from 1.
  private static func columns(of record: StepRecord) -> [Column] {
    var columns = stepColumns
    for column in mixtureColumns {
      columns.append((column.name, { column.ofAll($0.mixtures.map(column.value)) }))
    }
    columns += lastColumns
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

  /// Starts the files, or continues those that are there after their first `recordCount` records: those that a run left
  /// that was killed after its last checkpoint are dropped.
  package init(folder: String, continuingAfter recordCount: Int) throws {
    let jsonPath = folder + "/metrics.jsonl"
    csvPath = folder + "/metrics.csv"
    keptLines = Array(Self.lines(csvPath).dropFirst().prefix(recordCount))
    jsonLines = try LineFile(
      continuing: jsonPath, with: Array(Self.lines(jsonPath).prefix(recordCount)))
  }

  private static func lines(_ path: String) -> [String] {
    guard let data = FileManager.default.contents(atPath: path) else { return [] }
    return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  package func append(_ record: StepRecord) throws {
    let encoder = JSONEncoder.nonFinite(.sortedKeys)
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
