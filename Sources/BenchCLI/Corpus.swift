import Foundation
import NanoData
import NanoTensor
import NanoTraining

/// A text of characters, to train on or to score.
struct Corpus {
  let tokenizer: CharacterTokenizer
  let tokens: [Int32]
  /// Where it came from and what it is.
  let data: DataRecord
  /// What the validation split costs the grammar that wrote it, in nats a character; of the built-in corpus.
  let optimumNLL: Double?

  var source: String { data.source }

  var summary: String {
    "\(source), \(data.form), \(tokens.count) characters, \(tokenizer.vocabularySize) different"
  }

  var description: CorpusDescription {
    CorpusDescription(
      source: source, characters: tokens.count, vocabulary: tokenizer.vocabularySize,
      optimumNLL: optimumNLL)
  }

  /// The named file, else `input.txt` here, else the built-in corpus.
  static func location(_ path: String?, seed: UInt64) -> DataRecord.Location {
    let here = FileManager.default.fileExists(atPath: "input.txt") ? "input.txt" : nil
    return DataRecord.Location(path: path ?? here, seed: seed)
  }

  /// - Parameter tokenizer: the vocabulary that the text must fit; by default its own.
  init(_ location: DataRecord.Location, tokenizer: CharacterTokenizer? = nil) throws {
    if let path = location.path {
      let text = try TextFile.read(path)
      let form = TextFile.syntax(of: text, path: path).map { "text (its \($0) read as it stands)" } ?? "text"
      try self.init(text, location, source: path, form: form, tokenizer: tokenizer)
    } else {
      var generator = RandomGenerator(seed: location.seed).split(0)
      let corpus = BuiltInCorpus(using: &generator)
      try self.init(
        corpus.text, location, source: "built-in", form: "stories of a grammar", tokenizer: tokenizer
      ) { start in corpus.negativeLogLikelihood(fromCharacter: start) }
    }
  }

  private init(
    _ text: String, _ location: DataRecord.Location, source: String, form: String,
    tokenizer: CharacterTokenizer?, optimum: ((_ validationStart: Int) -> Double)? = nil
  ) throws {
    let tokenizer = tokenizer ?? CharacterTokenizer(vocabularyOf: text)
    self.tokenizer = tokenizer
    tokens = try RunError.naming(source) { try tokenizer.encode(text) }
    let trainingCount = TextDataset.trainingCount(of: tokens.count)
    optimumNLL = optimum?(trainingCount)
    let scalars = text.unicodeScalars
    let cut = scalars.index(scalars.startIndex, offsetBy: trainingCount)
    data = DataRecord(
      source: source, path: location.path.map(absolutePath), validationPath: nil,
      builtInSeed: location.path == nil ? location.seed : nil, form: form, split: "the last tenth",
      trainingSHA256: SHA256.hexadecimal(of: text[..<cut].utf8),
      validationSHA256: SHA256.hexadecimal(of: text[cut...].utf8))
  }
}
