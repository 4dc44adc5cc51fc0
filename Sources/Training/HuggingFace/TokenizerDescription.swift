internal import Foundation
internal import NanoData
internal import NanoModels

/// What a `tokenizer.json` of the tokenizers library describes: GPT-2's pairs of bytes, or a SentencePiece model.
struct TokenizerDescription {
  private enum Form {
    /// Names spell bytes in GPT-2's alphabet.
    case byteLevel
    /// Names are text, with what stands for a space; if words are split, nothing is merged over a space.
    case sentencePiece(space: Unicode.Scalar, splitsWords: Bool)
  }

  private struct Merge {
    let left, right: String

    var refusal: ConfigurationError {
      ConfigurationError("'model.merges' joins '\(left)' and '\(right)', of which one or the sum is no token")
    }
  }

  /// What comes before a text.
  let textStart: [Int32]
  private let json: JSONObject
  /// By token.
  private let names: [String]
  private let tokens: [[UInt8]: Int32]
  /// Added tokens that stand for no text.
  private let specials: Set<Int32>
  private let form: Form
  /// Of a unigram model, by token.
  private let scores: [Float]?
  private let merges: [Merge]
  private let looksUpWords: Bool

  /// - Throws: naming what cannot be read.
  init(_ json: JSONObject) throws(ConfigurationError) {
    self.json = json
    names = try Self.names(in: json)
    tokens = Dictionary(
      names.enumerated().map { (Array($1.utf8), Int32($0)) }, uniquingKeysWith: { first, _ in first })
    guard tokens.count == names.count else { throw ConfigurationError("two tokens have the same name") }
    specials = Set(try Self.addedTokens(in: json).map { Int32($0.token) })
    var reader = HuggingFaceReader(json)
    guard var model = try reader.object("model") else { throw reader.refusal("model", "is missing") }
    var (normalizer, words) = (try reader.object("normalizer"), try reader.object("pre_tokenizer"))
    var after = try reader.object("post_processor")
    try reader.finish(harmless: ["version", "truncation", "padding", "added_tokens", "decoder"])
    form = try Self.form(&normalizer, &words)
    textStart = try Self.textStart(&after, tokenCount: names.count)
    switch try model.text("type", oneOf: ["BPE", "Unigram"], default: "BPE") {
    case "Unigram":
      guard case .sentencePiece = form else { throw model.refusal("type", "is Unigram, of bytes") }
      scores = try Self.scores(model.value("vocab"), count: names.count)
      merges = []
      looksUpWords = false
      try model.require("byte_fallback", true)
      _ = try model.optionalInteger("unk_id", in: 0...names.count)
    default:
      scores = nil
      merges = try Self.merges(model.value("merges"))
      looksUpWords = try model.flag("ignore_merges", default: false)
      if case .sentencePiece = form {
        try model.require("ignore_merges", false)
        guard try model.flag("byte_fallback", default: false) else {
          throw model.refusal("byte_fallback", "is false; only models with byte pieces can be read")
        }
      } else {
        try model.require("byte_fallback", false)
      }
      try model.require("dropout", 0, orNull: true)
      for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        try model.require(key, "", orNull: true)
      }
    }
    try model.finish(harmless: ["vocab", "unk_token", "fuse_unk"])
  }

  /// What a `tokenizer.json` puts before a text.
  static func textStart(in json: JSONObject, tokenCount: Int) throws(ConfigurationError) -> [Int32] {
    var reader = HuggingFaceReader(json)
    var after = try reader.object("post_processor")
    return try textStart(&after, tokenCount: tokenCount)
  }

  // MARK: Parts

  /// The names of all tokens, in their order.
  static func names(in json: JSONObject) throws(ConfigurationError) -> [String] {
    guard case .object(let model)? = json["model"] else { throw ConfigurationError("'model' is missing") }
    var places: [(name: String, token: Int)] = []
    switch model["vocab"] {
    case .object(let vocabulary)?:
      for member in vocabulary.members {
        guard case .integer(let token) = member.value else {
          throw ConfigurationError("'model.vocab' has no number for '\(member.key)'")
        }
        places.append((member.key, token))
      }
    case .array(let pieces)?:
      for (token, piece) in pieces.enumerated() {
        guard case .array(let pair) = piece, case .string(let name)? = pair.first else {
          throw ConfigurationError("'model.vocab' has no piece at \(token)")
        }
        places.append((name, token))
      }
    default: throw ConfigurationError("'model.vocab' is missing")
    }
    places += try addedTokens(in: json)
    var names = [String?](repeating: nil, count: places.count)
    for (name, token) in places {
      guard names.indices.contains(token) else {
        throw ConfigurationError("token \(token) is '\(name)', of \(places.count) in all")
      }
      guard names[token].map({ $0.utf8.elementsEqual(name.utf8) }) ?? true else {
        throw ConfigurationError("token \(token) is both '\(names[token]!)' and '\(name)'")
      }
      names[token] = name
    }
    let count = names.lastIndex { $0 != nil }.map { $0 + 1 } ?? 0
    let found = names.prefix(count).compactMap { $0 }
    guard count > 0, found.count == count else {
      throw ConfigurationError("of tokens 0 to \(count - 1) only \(found.count) are there")
    }
    return found
  }

  private static func addedTokens(
    in json: JSONObject
  ) throws(ConfigurationError) -> [(name: String, token: Int)] {
    guard let value = json["added_tokens"], value != .null else { return [] }
    guard case .array(let values) = value else { throw ConfigurationError("'added_tokens' is no list") }
    var added: [(name: String, token: Int)] = []
    for value in values {
      guard case .object(let object) = value, case .integer(let token)? = object["id"],
        case .string(let name)? = object["content"]
      else { throw ConfigurationError("'added_tokens' has an entry without 'id' or 'content'") }
      guard object["special"] == .boolean(true) else {
        throw ConfigurationError("the added token '\(name)' is text; only special ones can be read")
      }
      added.append((name, token))
    }
    return added
  }

  private static func form(
    _ normalizer: inout HuggingFaceReader?, _ words: inout HuggingFaceReader?
  ) throws(ConfigurationError) -> Form {
    guard words != nil else {
      guard normalizer != nil else { return .sentencePiece(space: " ", splitsWords: false) }
      try requireReplacedSpaces(&normalizer!)
      return .sentencePiece(space: "\u{2581}", splitsWords: false)
    }
    guard normalizer == nil else {
      throw ConfigurationError("'normalizer' beside 'pre_tokenizer' cannot be read")
    }
    let kind = try words!.text("type", oneOf: ["ByteLevel", "Metaspace"])
    if kind == "ByteLevel" {
      try words!.require("add_prefix_space", false)
      try words!.require("use_regex", true)
      try words!.finish(harmless: ["trim_offsets"])
      return .byteLevel
    }
    try words!.require("replacement", "\u{2581}")
    _ = try words!.text("prepend_scheme", oneOf: ["never"])
    let splitsWords = try words!.flag("split", default: true)
    try words!.require("add_prefix_space", false)
    try words!.finish(harmless: ["str_rep"])
    return .sentencePiece(space: "\u{2581}", splitsWords: splitsWords)
  }

  /// Throws unless all that a normalizer does is to write spaces as U+2581.
  private static func requireReplacedSpaces(
    _ normalizer: inout HuggingFaceReader
  ) throws(ConfigurationError) {
    var parts: [JSONObject] = []
    if case .array(let list)? = normalizer.value("normalizers") {
      try normalizer.require("type", "Sequence")
      for case .object(let part) in list { parts.append(part) }
      try normalizer.finish()
    } else {
      parts = [normalizer.object]
    }
    for part in parts {
      var reader = HuggingFaceReader(part, prefix: "normalizer.")
      _ = try reader.text("type", oneOf: ["Replace"])
      try reader.require("pattern", ["String": " "])
      try reader.require("content", "\u{2581}")
      try reader.finish()
    }
    guard parts.count == 1 else { throw ConfigurationError("'normalizer' has \(parts.count) parts; one can be read") }
  }

  /// The special tokens that a post-processor puts before a text.
  private static func textStart(
    _ processor: inout HuggingFaceReader?, tokenCount: Int
  ) throws(ConfigurationError) -> [Int32] {
    guard var reader = processor else { return [] }
    let kind = try reader.text("type", oneOf: ["TemplateProcessing", "ByteLevel", "Sequence"])
    switch kind {
    case "ByteLevel": return []
    case "Sequence":
      guard case .array(let parts)? = reader.value("processors") else { return [] }
      var start: [Int32] = []
      for case .object(let part) in parts {
        var processor: HuggingFaceReader? = HuggingFaceReader(part, prefix: "post_processor.")
        start += try textStart(&processor, tokenCount: tokenCount)
      }
      return start
    default:
      guard case .array(let parts)? = reader.value("single") else { return [] }
      var (start, sawText) = ([Int32](), false)
      for case .object(let part) in parts {
        guard case .object(let special)? = part["SpecialToken"] else {
          sawText = true
          continue
        }
        guard case .string(let name)? = special["id"] else {
          throw reader.refusal("single", "has a token without a name")
        }
        let tokens = try tokens(named: name, in: &reader, count: tokenCount)
        guard !sawText else {
          throw reader.refusal("single", "puts '\(name)' behind a text; that cannot be read")
        }
        start += tokens
      }
      return start
    }
  }

  /// What a template writes for one of its special tokens, whatever the vocabulary calls these.
  private static func tokens(
    named name: String, in template: inout HuggingFaceReader, count: Int
  ) throws(ConfigurationError) -> [Int32] {
    guard case .object(let specials)? = template.value("special_tokens"), case .object(let special)? = specials[name],
      case .array(let values)? = special["ids"]
    else { throw template.refusal("single", "names '\(name)', which is not there among 'special_tokens'") }
    return try values.map { value throws(ConfigurationError) in
      guard case .integer(let token) = value, (0..<count).contains(token) else {
        throw template.refusal("special_tokens", "gives '\(name)' a token that is not there")
      }
      return Int32(token)
    }
  }

  private static func scores(
    _ vocabulary: JSONValue?, count: Int
  ) throws(ConfigurationError) -> [Float] {
    guard case .array(let pieces)? = vocabulary else {
      throw ConfigurationError("'model.vocab' is no list of pieces with scores")
    }
    var scores: [Float] = []
    for piece in pieces {
      guard case .array(let pair) = piece, pair.count == 2 else {
        throw ConfigurationError("'model.vocab' has a piece without a score")
      }
      switch pair[1] {
      case .integer(let score): scores.append(Float(score))
      case .number(let score): scores.append(Float(score))
      default: throw ConfigurationError("'model.vocab' has a piece without a score")
      }
    }
    return scores + Array(repeating: 0, count: count - scores.count)
  }

  private static func merges(_ value: JSONValue?) throws(ConfigurationError) -> [Merge] {
    guard case .array(let values)? = value else { throw ConfigurationError("'model.merges' is no list") }
    var merges: [Merge] = []
    for (index, value) in values.enumerated() {
      switch value {
      case .string(let text):
        // By scalars: a space and a mark that combines with it are one character of Swift.
        let halves = text.unicodeScalars.split(separator: " ", omittingEmptySubsequences: false)
        guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else {
          throw ConfigurationError("'model.merges' has no pair at \(index)")
        }
        merges.append(Merge(left: String(halves[0]), right: String(halves[1])))
      case .array(let pair):
        guard pair.count == 2, case .string(let left) = pair[0], case .string(let right) = pair[1] else {
          fallthrough
        }
        merges.append(Merge(left: left, right: right))
      default: throw ConfigurationError("'model.merges' has no pair at \(index)")
      }
    }
    return merges
  }

  // MARK: Tokens

  func token(named name: String) -> Int32? { tokens[Array(name.utf8)] }

  func has(_ token: Int32) -> Bool { names.indices.contains(Int(token)) }

  func name(of token: Int32) -> String { names[Int(token)] }

  /// The token that ends a text: the named one, else the first of the numbered that is there, else what GPT-2 or
  /// SentencePiece call it.
  func endOfText(named name: String?, numbered tokens: [Int]) throws(ConfigurationError) -> Int32 {
    if let name {
      guard let token = token(named: name) else {
        throw ConfigurationError("there is no token '\(name)', which is 'eos_token'")
      }
      return token
    }
    let numbered = tokens.first(where: names.indices.contains).map { Int32($0) }
    guard let token = numbered ?? token(named: "<|endoftext|>") ?? token(named: "</s>") else {
      throw ConfigurationError("no token ends a text; name one as 'eos_token' in tokenizer_config.json")
    }
    return token
  }

  // MARK: Tokenizers

  /// - Throws: when what is described is neither of the two.
  func tokenizer(endingTextsWith end: Int32) throws -> any StoryTokenizer {
    switch form {
    case .byteLevel: try byteLevelTokenizer(end)
    case .sentencePiece(let space, let splitsWords):
      try SentencePieceTokenizer(
        model: try sentencePieceModel(end, space: space, splitsWords: splitsWords).data)
    }
  }

  private func byteLevelTokenizer(_ end: Int32) throws(ConfigurationError) -> ByteLevelTokenizer {
    var bytes: [[UInt8]] = []
    for (token, name) in names.enumerated() {
      let isSilent = specials.contains(Int32(token)) || token == Int(end)
      guard let spelled = isSilent ? [] : ByteAlphabet.bytes(of: name) else {
        throw ConfigurationError("token \(token), '\(name)', is not spelled in bytes")
      }
      bytes.append(spelled)
    }
    var resolved: [ByteLevelTokenizer.Merge] = []
    for merge in merges {
      guard let left = token(named: merge.left), let right = token(named: merge.right),
        let result = token(named: merge.left + merge.right)
      else { throw merge.refusal }
      resolved.append(ByteLevelTokenizer.Merge(left: left, right: right, result: result))
    }
    return ByteLevelTokenizer(
      bytes: bytes, merges: resolved, looksUpWords: looksUpWords, endOfStory: end,
      description: JSONValue.object(json).data)
  }

  /// The model that gives the same tokens.
  private func sentencePieceModel(
    _ end: Int32, space: Unicode.Scalar, splitsWords: Bool
  ) throws(ConfigurationError) -> SentencePieceModel {
    var pieces: [SentencePieceModel.Piece] = []
    for (token, name) in names.enumerated() {
      let kind: SentencePieceModel.Piece.Kind =
        name == "<unk>"
        ? .unknown
        : specials.contains(Int32(token)) || token == Int(end)
          ? .control : name.wholeMatch(of: #/<0x[0-9A-F]{2}>/#) != nil ? .byte : .normal
      if kind == .normal, space == " ", name.unicodeScalars.contains("\u{2581}") {
        throw ConfigurationError("token \(token), '\(name)', has U+2581, which here is no space")
      }
      if kind == .normal, splitsWords, name.unicodeScalars.dropFirst().contains(space) {
        throw ConfigurationError("token \(token), '\(name)', has a space inside, where words are split")
      }
      let text = kind == .normal && space == " " ? name.replacing(scalar: " ", with: "\u{2581}") : name
      pieces.append(SentencePieceModel.Piece(text, score: scores?[token] ?? 0, kind: kind))
    }
    guard pieces.count(where: { $0.kind == .unknown }) == 1 else {
      throw ConfigurationError("there is no token '<unk>'")
    }
    if scores == nil { try rank(&pieces) }
    return SentencePieceModel(
      pieces: pieces, algorithm: scores == nil ? .bytePair : .unigram, endPiece: name(of: end))
  }

  /// Gives pieces the scores that make SentencePiece merge in the order of the merges.
  /// - Throws: when no scores do: SentencePiece joins whatever two pieces make a third, the best third first.
  private func rank(_ pieces: inout [SentencePieceModel.Piece]) throws(ConfigurationError) {
    func isNormal(_ name: [UInt8]) -> Bool { tokens[name].map { pieces[Int($0)].kind == .normal } ?? false }
    var expected = 0
    for (token, name) in names.enumerated() where pieces[token].kind == .normal {
      let scalars = Array(name.unicodeScalars)
      for split in 1..<max(scalars.count, 1) {
        let halves = [scalars[..<split], scalars[split...]].map { half in
          half.flatMap { Array(UTF8.encode($0)!) }
        }
        if halves.allSatisfy(isNormal) { expected += 1 }
      }
    }
    var (ranks, last) = ([Int32: Int](), nil as Int32?)
    for merge in merges {
      guard isNormal(Array(merge.left.utf8)), isNormal(Array(merge.right.utf8)),
        let result = token(named: merge.left + merge.right), pieces[Int(result)].kind == .normal
      else { throw merge.refusal }
      guard result == last || ranks[result] == nil else { throw Self.otherMerges }
      if result != last { ranks[result] = ranks.count }
      last = result
    }
    let distinct = Set(merges.map { [Array($0.left.utf8), Array($0.right.utf8)] })
    guard distinct.count == merges.count, merges.count == expected else { throw Self.otherMerges }
    var others = ranks.count
    for token in pieces.indices where pieces[token].kind == .normal {
      pieces[token].score = -Float(ranks[Int32(token)] ?? others)
      if ranks[Int32(token)] == nil { others += 1 }
    }
  }

  private static var otherMerges: ConfigurationError {
    ConfigurationError("'model.merges' are not those of a SentencePiece model, and not of bytes")
  }
}

extension String {
  /// A text with one scalar in place of another, also where a combining one follows.
  func replacing(scalar: Unicode.Scalar, with other: Unicode.Scalar) -> String {
    String(String.UnicodeScalarView(unicodeScalars.map { $0 == scalar ? other : $0 }))
  }
}

/// The characters that GPT-2 writes bytes as: themselves where they are printable, else from U+0100 on.
enum ByteAlphabet {
  private static let byteOfScalar: [Unicode.Scalar: UInt8] = {
    var (result, next) = ([Unicode.Scalar: UInt8](), UInt32(256))
    for byte in UInt8.min...UInt8.max {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: result[Unicode.Scalar(byte)] = byte
      default:
        result[Unicode.Scalar(next)!] = byte
        next += 1
      }
    }
    return result
  }()

  /// What a name spells, or nil if it has another character.
  static func bytes(of name: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    for scalar in name.unicodeScalars {
      guard let byte = byteOfScalar[scalar] else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
