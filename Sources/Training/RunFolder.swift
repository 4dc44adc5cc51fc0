public import Foundation
public import NanoData

/// Where a run of the character study leaves its files. Files appear whole or not at all, but for `metrics.csv`, which
/// grows a line at a time.
public final class RunFolder {
  public let path: String
  private let metrics: LineFile

  private static let metricsName = "metrics.csv"
  private static let metricsHeader = "model,step,split,loss,seconds"

  /// Makes the folder, with the first of some names that is free, and starts its metrics.
  /// - Throws: when no name is free, or cannot be written.
  public init(_ names: [String], with files: [String: Data]) throws {
    var files = files
    files[Self.metricsName] = Data((Self.metricsHeader + "\n").utf8)
    path = try OutputFolder.create(names, with: files)
    metrics = try LineFile(continuing: path + "/" + Self.metricsName)
  }

  /// Goes on in a folder that is there.
  /// - Parameter steps: steps that a model has made, of which the metrics are kept: it will make those after them again.
  public init(resuming path: String, steps: (_ model: String) -> Int) throws {
    self.path = path
    let old = FileManager.default.contents(atPath: path + "/" + Self.metricsName) ?? Data()
    let lines = String(decoding: old, as: UTF8.self).split(separator: "\n").dropFirst().filter { line in
      let fields = line.split(separator: ",", omittingEmptySubsequences: false)
      guard fields.count == 5, let step = Int(fields[1]) else { return false }
      return step < steps(String(fields[0]))
    }
    metrics = try LineFile(
      continuing: path + "/" + Self.metricsName, with: [Self.metricsHeader] + lines.map(String.init))
  }

  public func append(_ point: EvaluationPoint, model: String) throws(FileWriteError) {
    let seconds = String(format: "%.3f", point.seconds)
    for (split, loss) in [
      (Split.training, point.trainingLoss), (Split.validation, point.validationLoss),
    ] {
      try metrics.append(
        "\(model),\(point.step),\(split.rawValue),\(String(format: "%.6f", loss)),\(seconds)")
    }
  }

  public func write(_ data: Data, to name: String) throws(FileWriteError) {
    try AtomicFile.write(data, to: path + "/" + name)
  }
}
