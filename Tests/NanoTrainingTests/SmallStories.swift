import NanoData
import NanoModels
import NanoTensor
import NanoTestSupport

@testable import NanoTraining

/// Thirty short stories as tokens of the fixtures' tokenizer.
func storyTokens(_ folder: TemporaryFolder) throws -> (TokenFile, SentencePieceTokenizer) {
  let tokenizer = try SentencePieceTokenizer(
    model: Fixture.data("sentencepiece/tokenizer.model"))
  let writer = try TokenFileWriter(folder.path + "/a.tokens", tokenizer: tokenizer)
  for index in 0..<30 {
    let story = "Bo hid a song under the old tree, \(index) times."
    try writer.append(try tokenizer.encode(story), of: story)
  }
  try writer.finish()
  return (try TokenFile(folder.path + "/a.tokens", tokenizer: tokenizer), tokenizer)
}

struct SilentObserver: StoriesObserver {
  func didStep(_ record: StepRecord, of total: Int) {}
  func didEvaluate(_ point: StoriesPoint, of total: Int) {}
  func shouldSample(_ model: some LanguageModel, step: Int) {}
  func didNotice(_ message: String) {}
}

/// A run of twelve steps, with evaluations and checkpoints in between.
func storiesRun(
  _ folder: TemporaryFolder, _ name: String, model: StoriesModel = .nanoKimiK2,
  precision: Precision = .float32
) throws -> StoriesRun {
  let (tokens, tokenizer) = try storyTokens(folder)
  var configuration = StoriesConfiguration(
    size: .tiny, vocabularySize: tokenizer.vocabularySize, contextLength: 16)
  configuration.kimi.layerCount = 2
  configuration.iterations = 12
  configuration.precision = precision
  configuration.gptDropout = 0.1
  configuration.batchSize = 4
  configuration.evaluationInterval = 5
  configuration.evaluationWindows = 4
  configuration.checkpointInterval = 4
  let dataset = try StoriesDataset(
    tokenizer: tokenizer, training: tokens, validation: tokens, source: "test", contextLength: 16)
  return StoriesRun(
    configuration, model: model, dataset: dataset, folder: folder.path + "/" + name)
}
