import Foundation
import NanoData
import NanoModels
import NanoReport
import NanoTensor
import NanoTraining

/// One comparison of the stories study: runs each model, or goes on where a run ended, and keeps the run
/// folder up to date with what there is.
struct StoriesSession {
  let plan: StoriesPlan
  let dataset: StoriesDataset
  let path: String
  let isQuiet: Bool
  /// Steps from one line of the loss table to the next.
  let tableInterval: Int?
  var device = Device.cpu
  /// Why a model's training failed, if it did.
  private(set) var failure: TrainingError?

  private var results: [StoriesResult] = []
  private var wasInterrupted = false

  init(
    plan: StoriesPlan, dataset: StoriesDataset, path: String, isQuiet: Bool, tableInterval: Int?
  ) {
    self.plan = plan
    self.dataset = dataset
    self.path = path
    self.isQuiet = isQuiet
    self.tableInterval = tableInterval
  }

  private func folder(_ model: StoriesModel) -> String { path + "/" + model.rawValue }

  mutating func run() throws -> StoriesResults {
    for model in plan.configuration.models where failure == nil && !wasInterrupted {
      if let finished = finishedResult(model) {
        results.append(finished)
        continue
      }
      try train(model)
    }
    try writeReport()
    return studyResults
  }

  private mutating func train(_ model: StoriesModel) throws {
    var run = StoriesRun(
      plan.configuration, model: model, dataset: dataset, folder: folder(model))
    run.device = device
    var display = StoriesDisplay(
      model: model, dataset: dataset, folder: folder(model), seed: plan.configuration.seed,
      isQuiet: isQuiet, tableInterval: tableInterval)
    let outcome = try run.train(observer: &display) { Interruption.isRequested }
    display.finish()
    failure = outcome.failure
    wasInterrupted = outcome.wasInterrupted
    results.append(outcome.result)
    if failure == nil && !wasInterrupted {
      try AtomicFile.write(
        JSONEncoder.readable.encode(outcome.result), to: folder(model) + "/result.json")
    }
    try writeReport()
  }

  /// What a model reached in an earlier run of this folder.
  private func finishedResult(_ model: StoriesModel) -> StoriesResult? {
    guard let data = FileManager.default.contents(atPath: folder(model) + "/result.json") else {
      return nil
    }
    return try? JSONDecoder().decode(StoriesResult.self, from: data)
  }

  private var studyResults: StoriesResults {
    StoriesResults(
      configuration: plan.configuration, corpus: StoriesCorpusDescription(dataset),
      interrupted: wasInterrupted, models: results)
  }

  private func writeReport() throws {
    let results = studyResults
    try AtomicFile.write(JSONEncoder.readable.encode(results), to: path + "/results.json")
    try AtomicFile.write(
      Data(
        StorySamples.document(
          of: plan.configuration.models.map { ($0.displayName, folder($0)) }
        ).utf8), to: path + "/samples.md")
    for (name, picture) in try StoriesFigures.draw(
      results, metrics: plan.configuration.models.map { ($0.rawValue, folder($0)) })
    {
      try AtomicFile.write(picture, to: path + "/" + name)
    }
  }
}

/// What defines a run and is kept in its folder, so that it can be resumed.
struct StoriesPlan: Codable, Equatable {
  var configuration: StoriesConfiguration
  var data: String?
  var valid: String?
  /// A hash of what the stories are.
  var stories: String?

  static let fileName = "run.json"

  static func read(_ folder: String) throws -> StoriesPlan {
    let path = "\(folder)/\(fileName)"
    guard let data = FileManager.default.contents(atPath: path) else {
      throw RunError("\(path): no such file; --resume needs the folder of a stories run")
    }
    do {
      return try JSONDecoder().decode(StoriesPlan.self, from: data)
    } catch let error as DecodingError {
      throw RunError("\(path): \(error.summary)")
    }
  }

  /// Names of the settings in which two plans differ.
  func differences(from other: StoriesPlan) throws -> [String] {
    func flattened(_ plan: StoriesPlan) throws -> [String: String] {
      var values: [String: String] = [:]
      func add(_ value: Any, _ name: String) {
        if let object = value as? [String: Any] {
          for (key, value) in object { add(value, name.isEmpty ? key : name + "." + key) }
        } else {
          values[name] = "\(value)"
        }
      }
      add(try JSONSerialization.jsonObject(with: JSONEncoder().encode(plan)), "")
      return values
    }
    let (mine, others) = (try flattened(self), try flattened(other))
    return Set(mine.keys).union(others.keys).filter { mine[$0] != others[$0] }.sorted().map {
      "\($0) (\(others[$0] ?? "none") there, \(mine[$0] ?? "none") now)"
    }
  }
}

/// A run that cannot be started or continued.
struct RunError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }

  /// What `body` returns; its error names the text that it was about.
  static func naming<Result>(_ source: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch {
      throw RunError("\(source): \(error)")
    }
  }
}
