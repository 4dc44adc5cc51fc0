import Foundation
import NanoData
import NanoModels
import NanoTestSupport
import Testing

@testable import NanoTraining

private struct Golden: Decodable {
  let text: String
  let ids: [Int32]

  static func all(_ folder: String) throws -> [Golden] {
    try JSONDecoder().decode([Golden].self, from: Fixture.data(folder + "/ids.json"))
  }
}

private func description(_ folder: String) throws -> JSONObject {
  guard case .object(let object) = try JSONValue(parsing: Fixture.data(folder + "/tokenizer.json")) else {
    throw ConfigurationError("no object")
  }
  return object
}

/// With another value for a key of `model`.
private func setting(_ key: String, to value: JSONValue?, in json: JSONObject) throws -> JSONObject {
  guard case .object(let model)? = json["model"] else { throw ConfigurationError("no model") }
  return json.setting("model", to: .object(model.setting(key, to: value)))
}

@Test func pairsOfBytesGiveTheTokensOfTheLibrary() throws {
  let tokenizer = try TokenizerDescription(description("byte_level")).tokenizer(endingTextsWith: 0)
  for golden in try Golden.all("byte_level") {
    #expect(try tokenizer.encode(golden.text) == golden.ids, "\(golden.text)")
    #expect(tokenizer.decode(golden.ids) == golden.text)
  }
}

/// What a file says of spaces.
private enum Spaces: CaseIterable {
  /// A normalizer makes them U+2581, as in exports.
  case normalized
  /// A pre-tokenizer does, as where transformers converts SentencePiece models.
  case metaspace
  /// Pieces are spelled with them, as they were in exports once.
  case asTheyAre

  func described(in json: JSONObject) throws -> JSONObject {
    let json = self == .normalized ? json : json.setting("normalizer", to: nil)
    switch self {
    case .normalized: return json
    case .metaspace:
      return json.setting(
        "pre_tokenizer",
        to: ["type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "never", "split": false])
    case .asTheyAre:
      guard case .object(let model)? = json["model"] else { throw ConfigurationError("no model") }
      return json.setting("model", to: spaced(.object(model)))
    }
  }

  private func spaced(_ value: JSONValue) -> JSONValue {
    switch value {
    case .string(let text): .string(spaced(text))
    case .array(let values): .array(values.map(spaced))
    case .object(let object):
      .object(JSONObject(object.members.map { JSONObject.Member(key: spaced($0.key), value: spaced($0.value)) }))
    default: value
    }
  }

  private func spaced(_ text: String) -> String { text.replacing(scalar: "\u{2581}", with: " ") }
}

@Test(arguments: Spaces.allCases)
private func sentencePieceModelsAreReadFromTokenizerFiles(spaces: Spaces) throws {
  let json = try spaces.described(in: description("sentencepiece"))
  let read = try TokenizerDescription(json)
  #expect(read.textStart == [2])
  let tokenizer = try read.tokenizer(endingTextsWith: try read.endOfText(named: "</s>", numbered: []))
  #expect(tokenizer.endOfStory == 2)
  for golden in try Golden.all("sentencepiece") {
    #expect(try tokenizer.encode(golden.text) == golden.ids, "\(golden.text)")
    #expect(tokenizer.decode(golden.ids) == golden.text.replacing(scalar: "\u{2581}", with: " "))
  }
}

/// A space and what combines with it are one character of Swift.
@Test func spacesBeforeCombiningCharactersAreSpaces() throws {
  func tokenizer(_ pieces: [String], merges: JSONValue) throws -> any StoryTokenizer {
    let names = ["<unk>", "</s>"] + (0...255).map { String(format: "<0x%02X>", $0) } + pieces
    let json: JSONValue = [
      "added_tokens": [
        ["id": 0, "content": "<unk>", "special": true], ["id": 1, "content": "</s>", "special": true],
      ],
      "model": [
        "type": "BPE", "byte_fallback": true, "merges": merges,
        "vocab": .object(JSONObject(names.enumerated().map { JSONObject.Member(key: $1, value: .integer($0)) })),
      ],
    ]
    guard case .object(let object) = json else { throw ConfigurationError("no object") }
    return try TokenizerDescription(object).tokenizer(endingTextsWith: 1)
  }
  let space = try tokenizer([" ", "\u{301}", " \u{301}"], merges: [[" ", "\u{301}"]])
  #expect(try space.encode("  \u{301}") == [258, 260])
  // A merge of one string, whose second half combines with the space between them.
  let letter = try tokenizer([" ", "a", "\u{301}", "a\u{301}"], merges: ["a \u{301}"])
  #expect(try letter.encode("a\u{301}") == [261])
}

/// What the end of a text is called, in the order of who says so.
@Test func theEndOfATextIsFound() throws {
  let read = try TokenizerDescription(description("byte_level"))
  #expect(try read.endOfText(named: "a", numbered: [5]) == read.token(named: "a"))
  #expect(try read.endOfText(named: nil, numbered: [99_999, 5]) == 5)
  #expect(try read.endOfText(named: nil, numbered: []) == 0)
  #expect { try read.endOfText(named: "<end>", numbered: [5]) } throws: { "\($0)".contains("'<end>'") }
}

private func template(_ name: String) -> JSONValue {
  [
    "type": "TemplateProcessing",
    "special_tokens": ["<|endoftext|>": ["id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]]],
    "single": [["Sequence": ["id": "A", "type_id": 0]], ["SpecialToken": ["id": .string(name), "type_id": 0]]],
  ]
}

@Test(
  arguments: [
    ("normalizer", ["type": "NFC"], "normalizer"),
    ("normalizer", ["type": "Prepend", "prepend": "\u{2581}"], "normalizer"),
    ("pre_tokenizer", ["type": "Whitespace"], "pre_tokenizer.type"),
    ("pre_tokenizer", ["type": "ByteLevel", "add_prefix_space": true], "pre_tokenizer.add_prefix_space"),
    ("pre_tokenizer", ["type": "ByteLevel", "use_regex": false], "pre_tokenizer.use_regex"),
    ("pre_tokenizer", ["type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always"], "prepend_scheme"),
    ("post_processor", ["type": "BertProcessing"], "post_processor.type"),
    ("post_processor", template("<|endoftext|>"), "behind a text"), ("post_processor", template("<none>"), "not there"),
    ("added_tokens", [["id": 340, "content": "<pad>", "special": false]], "'<pad>' is text"),
    ("added_tokens", [["id": 400, "content": "<pad>", "special": true]], "token 400"),
    ("added_tokens", [["id": 5, "content": "<pad>", "special": true]], "token 5 is both"), ("model", nil, "'model'"),
    ("segmenter", ["type": "x"], "'segmenter'"),
  ] as [(String, JSONValue, String)])
func partsThatCannotBeReadAreNamed(key: String, value: JSONValue, message: String) throws {
  let json = try description("byte_level").setting(key, to: value)
  #expect {
    try TokenizerDescription(json).tokenizer(endingTextsWith: 0)
  } throws: {
    "\($0)".contains(message)
  }
}

@Test(
  arguments: [
    ("type", "WordPiece"), ("dropout", .number(0.1)), ("continuing_subword_prefix", "##"),
    ("end_of_word_suffix", "</w>"),
    ("byte_fallback", true), ("merges", [["a"]]), ("merges", ["a b c"]), ("merges", [["a", "\u{200}"]]),
    ("vocab", ["a": "0"]), ("vocab", []), ("max_input_chars_per_word", 100), ("ignore_merges", 1),
  ] as [(String, JSONValue)])
func modelsThatCannotBeReadAreNamed(key: String, value: JSONValue) throws {
  let json = try setting(key, to: value, in: description("byte_level"))
  #expect {
    try TokenizerDescription(json).tokenizer(endingTextsWith: 0)
  } throws: {
    "\($0)".contains("model.\(key)") || "\($0)".contains("token")
  }
}

/// SentencePiece joins any two pieces that make a third: merges that leave one out are not its merges.
@Test func mergesThatAreNotSentencePiecesAreRefused() throws {
  let json = try description("sentencepiece")
  guard case .object(let model)? = json["model"], case .array(let merges)? = model["merges"] else {
    throw ConfigurationError("no merges")
  }
  let wrongs: [[JSONValue]] = [
    Array(merges.dropLast()), merges + [merges[0]], Array(merges.dropFirst()) + [.array(["x", "y"])],
  ]
  for wrong in wrongs {
    let changed = try setting("merges", to: .array(wrong), in: json)
    #expect { try TokenizerDescription(changed).tokenizer(endingTextsWith: 2) } throws: {
      "\($0)".contains("model.merges")
    }
  }
  #expect {
    try TokenizerDescription(setting("byte_fallback", to: false, in: json)).tokenizer(endingTextsWith: 2)
  } throws: {
    "\($0)".contains("byte_fallback")
  }
}
