import Foundation
import NanoData
import NanoModels
import NanoOptim
import NanoReport
import NanoTensor
import NanoTraining

/// One comparison: runs each model and keeps the run folder up to date with what there is.
struct CompareSession {
  let configuration: StudyConfiguration
  let corpus: Corpus
  let dataset: TextDataset
  let folder: RunFolder
  let isQuiet: Bool
  var device = Device.cpu
  /// Why a model's training failed, if it did.
  private(set) var failure: TrainingError?

  private var results: [ModelResult] = []
  private var curves: [LossCurves.Curve] = []
  private var samples = ""
  private var wasInterrupted = false

  init(
    configuration: StudyConfiguration, corpus: Corpus, dataset: TextDataset, folder: RunFolder,
    isQuiet: Bool
  ) {
    self.configuration = configuration
    self.corpus = corpus
    self.dataset = dataset
    self.folder = folder
    self.isQuiet = isQuiet
  }

  /// Trains every model; ends early when interrupted or when training fails, with everything so far written.
  mutating func run() throws -> StudyResults {
    for model in configuration.models where failure == nil && !wasInterrupted {
      switch model {
      case .nanoGPT:
        try train(
          NanoGPT.self, as: model,
          rule: StudyRecipe.nanoGPT(learningRate: configuration.learningRate))
      case .nanoKimi:
        try train(
          NanoKimi.self, as: model,
          rule: StudyRecipe.nanoKimi(
            learningRate: configuration.learningRate,
            muonLearningRate: configuration.muonLearningRate, precision: configuration.precision))
      }
    }
    return studyResults
  }

  private mutating func train<Model: LanguageModel>(
    _ type: Model.Type, as model: StudyModel, rule: some Optimizer
  ) throws where Model.Configuration == CharacterModelConfiguration {
    var run = ModelRun(configuration, dataset: dataset)
    run.device = device
    let fresh = try run.makeModel(
      type,
      configuration.modelConfiguration(vocabularySize: corpus.tokenizer.vocabularySize))
    var display = ProgressDisplay(model: model, folder: folder, isQuiet: isQuiet)
    let outcome = try run.train(fresh, rule: rule, observer: &display) { Interruption.isRequested }
    display.finish()
    failure = outcome.failure
    wasInterrupted = outcome.wasInterrupted
    results.append(outcome.result)
    curves.append(LossCurves.Curve(model: model.rawValue, points: outcome.curve))
    try ModelFolder.save(
      outcome.bestModel, tokenizer: corpus.tokenizer, to: folder.path + "/" + model.rawValue)
    samples += sample(outcome.bestModel, named: model.displayName)
    try writeReport()
  }

  private var studyResults: StudyResults {
    StudyResults(
      configuration: configuration, corpus: corpus.description, interrupted: wasInterrupted,
      models: results)
  }

  private func writeReport() throws {
    let results = studyResults
    try folder.write(JSONEncoder.readable.encode(results), to: "results.json")
    try folder.write(ComparisonGraph.draw(results), to: "comparison_graph.png")
    try folder.write(
      LossCurves.draw(curves, optimum: corpus.optimumNLL), to: "loss_curves.png")
    try folder.write(Data(samples.utf8), to: "samples.txt")
  }

  /// 500 characters after a line break (or the first character, for a text without one).
  private func sample(_ model: some LanguageModel, named name: String) -> String {
    var generator = TextGenerator(generator: RandomGenerator(seed: configuration.seed).split(100))
    let prompt = (try? corpus.tokenizer.encode("\n")) ?? [0]
    do {
      let tokens = try generator.generate(500, after: prompt, from: model)
      return "=== \(name) ===\n\(corpus.tokenizer.decode(tokens))\n\n"
    } catch {
      return "=== \(name) ===\n(no sample: \(error))\n\n"
    }
  }
}
