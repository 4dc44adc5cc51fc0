import Foundation
import NanoData
import NanoModels
import NanoOptim
import NanoReport
import NanoTensor
import NanoTraining

/// One comparison of the character study: runs each model, or goes on where a run ended, and keeps the run folder up to
/// date with what there is.
struct CompareSession {
  private let plan: RunPlan<StudyConfiguration>
  private let corpus: Corpus
  private let dataset: TextDataset
  private let folder: RunFolder
  private let hold: RunHold
  private let initial: InitialModel?
  private let isQuiet: Bool
  var device = Device.cpu
  /// Why a model's training failed, if it did.
  private(set) var failure: TrainingError?

  private var results: [ModelResult] = []
  private var curves: [LossCurves.Curve] = []
  private var samples = ""
  private var wasInterrupted = false

  private var configuration: StudyConfiguration { plan.configuration }

  init(
    plan: RunPlan<StudyConfiguration>, corpus: Corpus, dataset: TextDataset, folder: RunFolder, hold: RunHold,
    initial: InitialModel?, isQuiet: Bool
  ) {
    self.plan = plan
    self.corpus = corpus
    self.dataset = dataset
    self.folder = folder
    self.hold = hold
    self.initial = initial
    self.isQuiet = isQuiet
  }

  /// What a model reached at the run's end.
  private struct Finished: Codable {
    var result: ModelResult
    var curve: [EvaluationPoint]
  }

  /// Trains every model; ends early when interrupted or when training fails, with everything so far written.
  mutating func run() throws -> StudyResults {
    for model in configuration.models where failure == nil && !wasInterrupted {
      if let finished = try RunPlanFile.result(of: model.rawValue, in: folder.path, Finished.self),
        finished.result.completedIterations == configuration.iterations
      {
        let kept = try ModelFolder.load(folder.path + "/" + model.rawValue).model
        try add(finished.result, finished.curve, sample: sample(kept, named: model.displayName))
        continue
      }
      switch model {
      case .nanoGPT: try train(model, rule: StudyRecipe.nanoGPT(learningRate: configuration.learningRate))
      case .nanoKimi:
        try train(
          model,
          rule: StudyRecipe.nanoKimi(
            learningRate: configuration.learningRate,
            muonLearningRate: configuration.muonLearningRate, precision: configuration.precision))
      }
    }
    return studyResults
  }

  private mutating func train(_ model: StudyModel, rule: some Optimizer) throws {
    let path = folder.path + "/" + model.rawValue
    try OutputFolder.make(path)
    var run = ModelRun(configuration, dataset: dataset)
    run.device = device
    var fresh = try run.makeModel(model, vocabularySize: corpus.tokenizer.vocabularySize)
    if let initial = try plan.firstWeights(of: model.rawValue, in: folder.path, given: initial) {
      try RunError.naming(initial.path) { try fresh.loadWeights(initial.weights) }
    }
    var display = ProgressDisplay(model: model, folder: folder, isQuiet: isQuiet)
    let outcome = try run.train(
      fresh, named: model.rawValue, rule: rule, checkpoints: CheckpointFolder(path + "/checkpoints"), observer: &display
    ) {
      try hold.requireFolder()
      return Interruption.isRequested
    }
    display.finish()
    failure = outcome.failure
    wasInterrupted = outcome.wasInterrupted
    try ModelFolder.save(outcome.bestModel, tokenizer: corpus.tokenizer, data: plan.data, to: path)
    if failure == nil && !wasInterrupted {
      let finished = Finished(result: outcome.result, curve: outcome.curve)
      try AtomicFile.write(JSONEncoder.readable.encode(finished), to: "\(path)/\(RunPlanFile.resultName)")
    }
    try add(
      outcome.result, outcome.curve, sample: sample(outcome.bestModel, named: model.displayName))
  }

  private mutating func add(_ result: ModelResult, _ curve: [EvaluationPoint], sample: String) throws {
    results.append(result)
    curves.append(LossCurves.Curve(model: result.name, points: curve))
    samples += sample
    try writeReport()
  }

  private var studyResults: StudyResults {
    StudyResults(
      configuration: configuration, corpus: corpus.description, interrupted: wasInterrupted,
      madeLongerAt: plan.madeLongerAt, device: device, models: results)
  }

  private func writeReport() throws {
    try hold.requireFolder()
    let results = studyResults
    try folder.write(JSONEncoder.readable.encode(results), to: "results.json")
    try folder.write(ComparisonGraph.draw(results), to: "comparison_graph.png")
    try folder.write(
      LossCurves.draw(curves, caution: Completeness(results).caution, optimum: corpus.optimumNLL),
      to: "loss_curves.png")
    try folder.write(Data(samples.utf8), to: "samples.txt")
  }

  /// 500 characters after a line break (or the first character, for a text without one).
  private func sample(_ model: some LanguageModel, named name: String) -> String {
    var generator = TextGenerator(generator: RandomGenerator(seed: configuration.seed).split(100))
    generator.usesCache = false
    let prompt = (try? corpus.tokenizer.encode("\n")) ?? [0]
    do {
      let tokens = try generator.generate(500, after: prompt, from: model)
      return "=== \(name) ===\n\(corpus.tokenizer.decode(tokens))\n\n"
    } catch {
      return "=== \(name) ===\n(no sample: \(error))\n\n"
    }
  }
}
