import Foundation
import NanoData
import NanoModels
import NanoReport
import NanoTensor
import NanoTraining

/// One comparison of the stories study: runs each model, or goes on where a run ended, and keeps the run
/// folder up to date with what there is.
struct StoriesSession {
  private let preparation: StoriesRunOptions.Preparation
  private let hold: RunHold
  private let isQuiet: Bool
  /// Steps from one line of the loss table to the next.
  private let tableInterval: Int?
  var device = Device.cpu
  /// Why a model's training failed, if it did.
  private(set) var failure: TrainingError?

  private var results: [StoriesResult] = []
  private var wasInterrupted = false

  private var plan: RunPlan<StoriesConfiguration> { preparation.plan }
  private var path: String { hold.path }

  init(
    _ preparation: StoriesRunOptions.Preparation, hold: RunHold, isQuiet: Bool, tableInterval: Int?
  ) {
    self.preparation = preparation
    self.hold = hold
    self.isQuiet = isQuiet
    self.tableInterval = tableInterval
  }

  private func folder(_ model: StoriesModel) -> String { path + "/" + model.rawValue }

  mutating func run() throws -> StoriesResults {
    for model in plan.configuration.models where failure == nil && !wasInterrupted {
      if let finished = try RunPlanFile.result(of: model.rawValue, in: path, StoriesResult.self),
        finished.completedIterations == plan.configuration.iterations
      {
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
      plan.configuration, model: model, dataset: preparation.dataset, folder: folder(model), data: plan.data)
    run.device = device
    var display = StoriesDisplay(
      model: model, dataset: preparation.dataset, folder: folder(model), seed: plan.configuration.seed,
      isQuiet: isQuiet, tableInterval: tableInterval)
    let initial = try plan.firstWeights(of: model.rawValue, in: path, given: preparation.initial)
    let outcome = try run.train(from: initial?.weights, observer: &display) {
      try hold.requireFolder()
      return Interruption.isRequested
    }
    display.finish()
    failure = outcome.failure
    wasInterrupted = outcome.wasInterrupted
    results.append(outcome.result)
    if failure == nil && !wasInterrupted {
      try AtomicFile.write(
        JSONEncoder.readable.encode(outcome.result), to: "\(folder(model))/\(RunPlanFile.resultName)")
    }
    try writeReport()
  }

  private var studyResults: StoriesResults {
    StoriesResults(
      configuration: plan.configuration,
      corpus: StoriesCorpusDescription(preparation.dataset, form: preparation.form),
      interrupted: wasInterrupted, madeLongerAt: plan.madeLongerAt, device: device, models: results)
  }

  private func writeReport() throws {
    try hold.requireFolder()
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
