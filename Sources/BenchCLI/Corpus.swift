import Foundation
import NanoData
import NanoTensor
import NanoTraining

/// A text of characters, to train on or to score.
struct Corpus {
  let source: String
  let tokenizer: CharacterTokenizer
  let tokens: [Int32]
  /// What the validation split costs the grammar that wrote it, in nats a character; of the built-in corpus.
  let optimumNLL: Double?

  var summary: String {
    "\(source), \(tokens.count) characters, \(tokenizer.vocabularySize) different"
  }

  var description: CorpusDescription {
    CorpusDescription(
      source: source, characters: tokens.count, vocabulary: tokenizer.vocabularySize,
      optimumNLL: optimumNLL)
  }

  /// The named file, else `input.txt` here, else the built-in corpus.
  /// - Parameters:
  ///   - seed: what the built-in corpus is made from.
  ///   - tokenizer: the vocabulary that the text must fit; by default its own.
  static func load(
    _ path: String?, seed: UInt64, tokenizer: CharacterTokenizer? = nil
  ) throws -> Corpus {
    if let path = path ?? (FileManager.default.fileExists(atPath: "input.txt") ? "input.txt" : nil) {
      return try Corpus(try TextFile.read(path), source: path, tokenizer: tokenizer)
    }
    var generator = RandomGenerator(seed: seed).split(0)
    let corpus = BuiltInCorpus(using: &generator)
    return try Corpus(corpus.text, source: "built-in", tokenizer: tokenizer) { start in
      corpus.negativeLogLikelihood(fromCharacter: start)
    }
  }

  private init(
    _ text: String, source: String, tokenizer: CharacterTokenizer?,
    optimum: ((_ validationStart: Int) -> Double)? = nil
  ) throws {
    self.source = source
    let tokenizer = tokenizer ?? CharacterTokenizer(vocabularyOf: text)
    self.tokenizer = tokenizer
    tokens = try RunError.naming(source) { try tokenizer.encode(text) }
    optimumNLL = optimum?(TextDataset.trainingCount(of: tokens.count))
  }
}
