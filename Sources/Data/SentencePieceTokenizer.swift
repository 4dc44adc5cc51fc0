internal import CSentencePiece
public import Foundation
internal import NanoPreconditions

/// SentencePiece: text to pieces of text, learned from data.
///
/// The tokens of a text are those of SentencePiece itself. Models trained here lose nothing (no normalization, no dummy
/// prefix, white space kept, and bytes for what the vocabulary does not know): `decode(encode(x)) == x`. One character is
/// the exception. SentencePiece writes spaces as U+2581, so a U+2581 in a text is a space to it.
/// - SeeAlso: Kudo, Richardson, 2018, arXiv:1808.06226.
public final class SentencePieceTokenizer: StoryTokenizer {
  /// The serialized model, as a `.model` file holds it.
  public let model: Data
  /// SHA-256 of the model: what token files know their tokenizer by.
  public var digest: String { SHA256.hexadecimal(of: model) }
  /// Tokens count from 0 to below this.
  public let vocabularySize: Int
  /// The token that ends a story; no text contains it.
  public let endOfStory: Int32
  // A processor is not changed after loading, and SentencePiece allows calls from many threads.
  private nonisolated(unsafe) let processor: OpaquePointer

  /// - Throws: when the bytes are not a SentencePiece model, or one that loses information.
  public init(model: Data) throws(TokenizerError) {
    var message: UnsafeMutablePointer<CChar>?
    let loaded = model.withUnsafeBytes { bytes in
      nk_sentencepiece_load(bytes.bindMemory(to: CChar.self).baseAddress, bytes.count, &message)
    }
    guard let loaded else {
      throw TokenizerError(
        description: "not a SentencePiece model, or a truncated one (\(takeMessage(message)))")
    }
    processor = loaded
    self.model = model
    vocabularySize = Int(nk_sentencepiece_size(loaded))
    endOfStory = nk_sentencepiece_eos(loaded)
    guard vocabularySize > 0, endOfStory >= 0 else {
      throw TokenizerError(description: "the SentencePiece model has no end-of-sentence piece")
    }
    guard nk_sentencepiece_id(loaded, "<0x00>") != nk_sentencepiece_unknown(loaded) else {
      throw TokenizerError(
        description: "the SentencePiece model has no byte pieces; train it with byte fallback")
    }
    for probe in ["a  b", " a", "ﬁ １", "\n\ta "] where decode(try encode(probe)) != probe {
      throw TokenizerError(
        description: "the SentencePiece model loses information (normalization, a dummy prefix, or white "
          + "space removed); train it without")
    }
  }

  deinit { nk_sentencepiece_free(processor) }

  /// Trains a byte-pair encoding of at most `vocabularySize` pieces.
  /// - Parameters:
  ///   - texts: what to learn from.
  ///   - vocabularySize: at least 259 (for bytes and marks) and one for each character of the texts.
  /// - Throws: when that is not enough, or there is no text.
  public convenience init(
    trainingOn texts: some Sequence<String>, vocabularySize: Int
  ) throws(TokenizerError) {
    let longestSentence = 16_384
    let settings = [
      "model_type=bpe", "vocab_size=\(vocabularySize)", "byte_fallback=true",
      "normalization_rule_name=identity", "add_dummy_prefix=false",
      "remove_extra_whitespaces=false", "hard_vocab_limit=false", "character_coverage=0.9999",
      "max_sentence_length=\(longestSentence)", "num_threads=1", "minloglevel=2",
      "required_chars=\u{2581}",
    ]
    // The space is a piece even if these texts have none: others will. A required character must occur.
    let source = TextSource(
      [[" "], texts.flatMap { LongText.parts(of: $0, limit: longestSentence) }].joined())
    var message: UnsafeMutablePointer<CChar>?
    var count = 0
    let bytes = withExtendedLifetime(source) {
      nk_sentencepiece_train(
        settings.joined(separator: " "), TextSource.next,
        Unmanaged.passUnretained(source).toOpaque(), &count, &message)
    }
    guard let bytes else {
      throw Self.trainingError(takeMessage(message), vocabularySize: vocabularySize)
    }
    try self.init(model: Data(bytesNoCopy: bytes, count: count, deallocator: .free))
  }

  /// What SentencePiece says when it cannot train, in words of this program where they are known.
  private static func trainingError(_ message: String, vocabularySize: Int) -> TokenizerError {
    let problem = "a tokenizer of \(vocabularySize) pieces cannot be trained on this text"
    if let counts = message.firstMatch(of: #/required_chars\. \d+ vs (?<needed>\d+)/#) {
      return TokenizerError(
        description: "\(problem): its characters and the bytes take \(counts.needed) pieces; ask for more")
    }
    return TokenizerError(description: "\(problem) (\(message)); use more text or fewer pieces")
  }

  /// All bytes but those that spaces end with, where no piece has a space behind another character, as in every model
  /// trained here. U+2581 ends with 0x81.
  public var wordEnds: Set<UInt8> {
    guard let model = try? SentencePieceModel(model), model.piecesStayInWords else { return [] }
    return Set(0...255).subtracting([UInt8(ascii: " "), 0x81])
  }

  public func encode(_ text: String) throws(TokenizerError) -> [Int32] {
    var copy = text
    var message: UnsafeMutablePointer<CChar>?
    var count = 0
    let ids = copy.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        nk_sentencepiece_encode(processor, $0.baseAddress, $0.count, &count, &message)
      }
    }
    guard let ids else {
      throw TokenizerError(description: "SentencePiece: \(takeMessage(message))")
    }
    defer { free(ids) }
    return Array(UnsafeBufferPointer(start: ids, count: count))
  }

  public func decode(_ tokens: some Sequence<Int32>) -> String {
    // Control pieces stand for no text.
    let ids = Array(tokens).filter { $0 != endOfStory }
    checkPrecondition(
      ids.allSatisfy { $0 >= 0 && $0 < vocabularySize },
      "decode: a token outside the vocabulary of \(vocabularySize)")
    var count = 0
    guard let text = nk_sentencepiece_decode(processor, ids, ids.count, &count, nil) else { return "" }
    defer { free(text) }
    return String(
      decoding: UnsafeRawBufferPointer(start: text, count: count), as: UTF8.self)
  }
}

/// Hands texts to the trainer one at a time.
private final class TextSource {
  private var next: () -> String?
  private var current: [CChar] = []

  init(_ texts: some Sequence<String>) {
    var iterator = texts.makeIterator()
    next = { iterator.next() }
  }

  static let next: nk_sentence_source = { context, text, count in
    let source = Unmanaged<TextSource>.fromOpaque(context!).takeUnretainedValue()
    guard let sentence = source.next() else { return 0 }
    source.current = sentence.utf8.map { CChar(bitPattern: $0) }
    source.current.append(0)
    return source.current.withUnsafeBufferPointer { buffer in
      // The array keeps its memory until the next call replaces it.
      text!.pointee = buffer.baseAddress
      count!.pointee = buffer.count - 1
      return 1
    }
  }
}

private func takeMessage(_ message: UnsafeMutablePointer<CChar>?) -> String {
  guard let message else { return "no reason given" }
  defer { free(message) }
  return String(cString: message).split(separator: "\n").joined(separator: " ")
}
