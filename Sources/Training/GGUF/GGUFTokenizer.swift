internal import NanoData
internal import NanoModels

/// The tokenizer in a GGUF file's metadata: `llama`, which is SentencePiece's pairs by score.
enum GGUFTokenizer {
  private static let prefix = "tokenizer.ggml."

  /// What stands for tokens of the model that no text contains.
  private static func padding(_ token: Int) -> String { "[PAD\(token)]" }

  // MARK: Writing

  /// - Parameters:
  ///   - textStart: what comes before a text; nil for the end of the text before it.
  ///   - count: tokens of the model, at least those of the tokenizer.
  /// - Throws: when llama.cpp has no such tokenizer.
  static func metadata(
    of tokenizer: any Tokenizer, textStart: [Int32]?, count: Int
  ) throws -> [(key: String, value: GGUFValue)] {
    guard let tokenizer = tokenizer as? SentencePieceTokenizer else {
      throw ConfigurationError(
        tokenizer is any StoryTokenizer
          ? "pairs of bytes are not written as GGUF; SentencePiece models are"
          : "models of characters have no counterpart in llama.cpp; models of the stories study have")
    }
    let model = try SentencePieceModel(tokenizer.model)
    guard model.algorithm == .bytePair else {
      throw ConfigurationError("llama.cpp reads SentencePiece models of byte pairs; this one is a unigram model")
    }
    guard model.takesTextAsIs else {
      throw ConfigurationError("llama.cpp takes text as it is; this SentencePiece model replaces characters first")
    }
    let start = textStart ?? [tokenizer.endOfStory]
    guard start.count <= 1, let unknown = model.pieces.firstIndex(where: { $0.kind == .unknown }) else {
      throw ConfigurationError("llama.cpp begins a text with one token or none, this model with \(start.count)")
    }
    let rest = model.pieces.count..<max(model.pieces.count, count)
    let pieces = model.pieces + rest.map { SentencePieceModel.Piece(padding($0), score: 0, kind: .unused) }
    let entries: [(key: String, value: GGUFValue)] = [
      ("model", .string("llama")), ("pre", .string("default")), ("tokens", .strings(pieces.map(\.text))),
      ("scores", .numbers(pieces.map(\.score))), ("token_type", .integers(pieces.map { Int32($0.kind.rawValue) })),
      ("bos_token_id", .integer(Int(start.first ?? tokenizer.endOfStory))),
      ("eos_token_id", .integer(Int(tokenizer.endOfStory))), ("unknown_token_id", .integer(unknown)),
      ("add_bos_token", .boolean(!start.isEmpty)), ("add_eos_token", .boolean(false)),
      ("add_space_prefix", .boolean(false)), ("remove_extra_whitespaces", .boolean(false)),
    ]
    return entries.map { (prefix + $0.key, $0.value) }
  }

  // MARK: Reading

  /// The tokenizer, what comes before a text, and the count of the model's tokens.
  static func read(_ file: GGUFFile) throws -> (tokenizer: SentencePieceTokenizer, textStart: [Int32], count: Int) {
    guard case .strings(let texts)? = file.metadata[prefix + "tokens"],
      case .numbers(let scores)? = file.metadata[prefix + "scores"],
      case .integers(let kinds)? = file.metadata[prefix + "token_type"], !texts.isEmpty, texts.count <= 1 << 20,
      scores.count == texts.count, kinds.count == texts.count, scores.allSatisfy(\.isFinite)
    else {
      throw ConfigurationError(
        "'\(prefix)tokens', 'scores' and 'token_type' are not equally many texts, numbers and whole numbers")
    }
    var reader = file.settings(under: prefix)
    _ = try reader.text("model", oneOf: ["llama"])
    _ = try reader.text("pre", oneOf: ["default"], default: "default")
    for key in ["add_eos_token", "add_space_prefix", "remove_extra_whitespaces"] {
      guard try !reader.flag(key, default: true) else { throw reader.refusal(key, "is not false") }
    }
    let tokens = 0...texts.count - 1
    let end = try reader.integer("eos_token_id", in: tokens)
    let start = try reader.integer("bos_token_id", in: tokens)
    let addsStart = try reader.flag("add_bos_token", default: true)
    try reader.finish(harmless: ["tokens", "scores", "token_type", "unknown_token_id"])
    var pieces: [SentencePieceModel.Piece] = []
    for (token, text) in texts.enumerated() {
      guard let kind = SentencePieceModel.Piece.Kind(rawValue: Int(kinds[token])) else {
        throw ConfigurationError("token \(token) is of the unknown type \(kinds[token])")
      }
      pieces.append(SentencePieceModel.Piece(text, score: scores[token], kind: kind))
    }
    while let last = pieces.last, last.kind == .unused, last.text == padding(pieces.count - 1) { pieces.removeLast() }
    guard end < pieces.count, pieces[end].kind == .control else {
      throw ConfigurationError("token \(end), which is 'eos_token_id', is text; a control token ends a text")
    }
    let model = SentencePieceModel(pieces: pieces, algorithm: .bytePair, endPiece: texts[end])
    return (try SentencePieceTokenizer(model: model.data), addsStart ? [Int32(start)] : [], texts.count)
  }
}

extension GGUFFile {
  /// A reader of the values, but arrays, whose keys begin with a prefix.
  func settings(under prefix: String) -> HuggingFaceReader {
    let members = metadata.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }
    return HuggingFaceReader(
      JSONObject(
        members.map { JSONObject.Member(key: String($0.key.dropFirst(prefix.count)), value: $0.value.json) }),
      prefix: prefix)
  }
}

extension GGUFValue {
  fileprivate var json: JSONValue {
    switch self {
    case .integer(let number): .integer(number)
    case .number(let number): .number(number)
    case .boolean(let flag): .boolean(flag)
    case .string(let text): .string(text)
    case .strings, .integers, .numbers, .otherArray: .array([])
    }
  }
}
