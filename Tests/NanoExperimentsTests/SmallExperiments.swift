import NanoData
import NanoExperiments
import NanoModels
import NanoTensor
import NanoTestSupport
import NanoTraining

struct SilentObserver: RunObserver {
  func didBegin(_ routing: RoutingTable) {}
  func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double) {}
  func didRecord(_ record: StepRecord) {}
  func didEvaluate(_ point: EvaluationPoint, of total: Int) {}
  func didSample(_ samples: [Sample]) {}
  func didNotice(_ message: String) {}
  func didEnd() {}
}

extension Run {
  /// To its end, or after some steps to a stop.
  func train(stopAfter limit: Int = .max) throws -> Outcome {
    var (observer, steps) = (SilentObserver(), 0)
    return try train(observer: &observer) {
      steps += 1
      return steps >= limit
    }
  }
}

private let record = DataRecord(
  source: "test", path: nil, validationPath: nil, builtInSeed: nil, form: "test", split: "", trainingSHA256: "",
  validationSHA256: "")

/// Thirty short stories in the fixtures' tokenizer, to train and to validate on.
func storyCorpus(_ folder: TemporaryFolder) throws -> Corpus {
  let tokenizer = try SentencePieceTokenizer(model: Fixture.data("sentencepiece/tokenizer.model"))
  let writer = try TokenFileWriter(folder.path + "/a.tokens", tokenizer: tokenizer)
  for index in 0..<30 {
    let story = "Bo hid a song under the old tree, \(index) times."
    try writer.append(try tokenizer.encode(story), of: story)
  }
  try writer.finish()
  let text = TokenizedText(
    try TokenFile(folder.path + "/a.tokens", tokenizer: tokenizer), endOfStory: tokenizer.endOfStory)
  return Corpus(tokenizer: tokenizer, training: text, validation: text, record: record)
}

/// A run of twelve steps on stories, with evaluations and checkpoints in between.
func storiesRun(
  _ folder: TemporaryFolder, _ name: String, model: ModelName = .nanoKimiK2, precision: Precision = .float32,
  _ change: (inout Experiment) -> Void = { _ in }
) throws -> Run {
  let corpus = try storyCorpus(folder)
  var experiment = try Preset.stories.experiment(
    model, size: .tiny, vocabularySize: corpus.tokenizer.vocabularySize, contextLength: 16)
  if model == .nanoKimiK2 { experiment.model.layerCount = 2 }
  experiment.iterations = 12
  experiment.precision = precision
  if model.isGPT { experiment.dropout = 0.1 }
  experiment.batchSize = 4
  experiment.evaluationInterval = 5
  experiment.evaluation.count = 4
  experiment.checkpointInterval = 4
  change(&experiment)
  return Run(experiment, name: model.rawValue, corpus: corpus, folder: folder.path + "/" + name)
}

/// A run of thirty steps of NanoKimi on eleven characters.
func characterRun(
  _ folder: TemporaryFolder, _ name: String, model: ModelName = .nanoKimi,
  _ change: (inout Experiment) -> Void = { _ in }
) throws -> Run {
  let tokens = (0..<3000).map { (i: Int) -> Int32 in Int32((i * i / 7 + i) % 11) }
  let text = String(tokens.map { Character(Unicode.Scalar(UInt8($0 + 97))) })
  let corpus = Corpus(
    characters: tokens, of: text, tokenizer: CharacterTokenizer(vocabularyOf: "abcdefghijk"), record: record)
  var recipe = try Preset.publishedCharacters.recipe(of: model)
  try recipe.set("width", to: "16")
  try recipe.set("layers", to: "1")
  var experiment = Preset.publishedCharacters.experiment(
    try recipe.configuration(vocabularySize: 11, contextLength: 16), named: model)
  (experiment.iterations, experiment.evaluationInterval, experiment.evaluation.count) = (30, 10, 4)
  (experiment.batchSize, experiment.checkpointInterval, experiment.recordInterval) = (4, 7, 1)
  experiment.samples.tokenCount = 20
  change(&experiment)
  return Run(experiment, name: model.rawValue, corpus: corpus, folder: folder.path + "/" + name)
}
