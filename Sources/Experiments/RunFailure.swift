internal import Foundation
internal import NanoData
internal import NanoTraining

/// A run in which training failed, and would again: its loss or a gradient became infinite or NaN.
public struct RunFailure: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  /// Of the run's arm.
  public var name: String
  /// For people.
  public var title: String
  /// The seed of the run.
  public var seed: UInt64
  /// What became of it, and after which step.
  public var message: String

  public var description: String { "\(title): \(message)" }

  static let fileName = "failure.json"

  /// Nil for a failure that another attempt may not meet, such as too little memory.
  init?(_ error: TrainingError, of planned: Study.PlannedRun) {
    guard case .notFinite = error else { return nil }
    name = planned.arm.name
    title = planned.title
    seed = planned.experiment.seed
    message = "\(error)"
  }

  /// What a run's folder tells of its failure; nil where it did not fail.
  static func read(from folder: String) -> RunFailure? {
    FileManager.default.contents(atPath: "\(folder)/\(fileName)").flatMap {
      try? JSONDecoder().decode(RunFailure.self, from: $0)
    }
  }

  func write(to folder: String) throws {
    try AtomicFile.write(JSONEncoder.readable.encode(self), to: "\(folder)/\(Self.fileName)")
  }
}
