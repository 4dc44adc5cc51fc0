import Foundation
import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoTensor
import NanoTestSupport
import Testing

@testable import NanoTraining

@Test func aUniformModelCostsTheLogarithmOfTheVocabulary() throws {
  let folder = try TemporaryFolder()
  let (tokens, tokenizer) = try storyTokens(folder)
  var generator = RandomGenerator(seed: 1)
  var model = try Decoder(
    .nanoKimiK2(
      size: .tiny, vocabularySize: tokenizer.vocabularySize, contextLength: 32), using: &generator)
  model.finalNorm = .rmsNorm(RMSNorm(gain: Tensor(zeros: [64])))  // all logits zero
  let evaluator = FullPassEvaluator(
    TokenizedText(tokens, endOfStory: tokenizer.endOfStory), windowLength: 32)
  let result = evaluator.evaluate(model)
  let expected = log(Double(tokenizer.vocabularySize))
  #expect(result.tokens == tokens.count)
  #expect(abs(result.nllPerToken - expected) < 1e-6)
  #expect(abs(result.perplexity - Double(tokenizer.vocabularySize)) < 1e-3)
  let bits = expected / log(2) * Double(tokens.count) / Double(tokens.header.characterCount)
  #expect(abs(result.bitsPerCharacter - bits) < 1e-6)
}

/// A model that reads 262,144 tokens scores a short text in the memory of that text.
@Test func windowsAreNoLongerThanTheText() throws {
  let text = TokenizedText([3, 1, 4, 1, 5][...], byteCount: 5, before: 0)
  #expect(FullPassEvaluator(text, windowLength: 262_144).windowLength == 5)
  #expect(FullPassEvaluator(text, windowLength: 4).windowLength == 4)
}

@Test func theFullPassScoresEveryTokenOnce() throws {
  let folder = try TemporaryFolder()
  let (tokens, tokenizer) = try storyTokens(folder)
  var generator = RandomGenerator(seed: 1)
  let model = try Decoder(
    .nanoGPT2(
      vocabularySize: tokenizer.vocabularySize, contextLength: 32, width: 16, layerCount: 1,
      headCount: 2), using: &generator)
  let result = FullPassEvaluator(
    TokenizedText(tokens, endOfStory: tokenizer.endOfStory), windowLength: 32
  ).evaluate(model)
  // Window by window, token by token.
  let all = tokens[0..<tokens.count]
  var total = 0.0
  for start in stride(from: 0, to: all.count, by: 32) {
    let window = all[start..<min(start + 32, all.count)]
    let inputs = [start == 0 ? tokenizer.endOfStory : all[start - 1]] + window.dropLast()
    let tape = Tape(recording: false)
    let logits = model.logits(for: inputs, sequenceLength: inputs.count, on: tape)
    total +=
      Double(logits.crossEntropy(targets: Array(window)).value.scalar) * Double(window.count)
  }
  #expect(abs(result.nllPerToken - total / Double(all.count)) < 1e-5)
}

@Test func theFullPassScoresEveryValidationCharacterOnce() throws {
  let text = String(repeating: "caf\u{E9} au lait, ", count: 30)
  let tokenizer = CharacterTokenizer(vocabularyOf: text)
  let tokens = try tokenizer.encode(text)
  var generator = RandomGenerator(seed: 1)
  let model = try Decoder(
    .nanoKimi(
      vocabularySize: tokenizer.vocabularySize, contextLength: 8, width: 16, layerCount: 1,
      headCount: 2, expertCount: 2), using: &generator)
  func expected(from start: Int) -> Double {
    var total = 0.0
    for window in stride(from: start, to: tokens.count, by: 8) {
      let end = min(window + 8, tokens.count)
      let tape = Tape(recording: false)
      let loss = model.loss(
        inputs: Array(tokens[window - 1..<end - 1]), targets: Array(tokens[window..<end]),
        sequenceLength: end - window, on: tape)
      total += Double(loss.value.scalar) * Double(end - window)
    }
    return total / Double(tokens.count - start)
  }
  let split = Corpus.trainingCount(of: tokens.count)
  let validation = FullPassEvaluator(
    textCorpus(text, tokens).validation, windowLength: 8
  ).evaluate(model)
  #expect(validation.tokens == tokens.count - split && validation.balanceLoss == nil)
  #expect(abs(validation.nllPerToken - expected(from: split)) < 1e-5)
  #expect(validation.bitsPerByte < validation.bitsPerCharacter)
  let whole = FullPassEvaluator(
    try TokenizedText(whole: text, tokenizer: tokenizer), windowLength: 8
  ).evaluate(model)
  #expect(whole.tokens == tokens.count - 1)
  #expect(abs(whole.nllPerToken - expected(from: 1)) < 1e-5)
  #expect(throws: CorpusError.self) { try TokenizedText(whole: "c", tokenizer: tokenizer) }
}
