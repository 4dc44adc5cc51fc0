internal import Foundation
internal import NanoData
internal import NanoModels

/// The tokenizer of a checkpoint of transformers: `tokenizer.model`, `tokenizer.json`, or `vocab.json` with
/// `merges.txt`.
struct HuggingFaceTokenizer {
  /// The file that it was read from.
  let file: String
  let tokenizer: any StoryTokenizer
  /// What its folder puts before a text; nil where the folder does not say.
  let textStart: [Int32]?

  /// - Parameter endsOfText: what `config.json` gives for the end of a text, where no file of the tokenizer does.
  init(_ folder: HuggingFaceFiles, endsOfText: [Int]) throws(ModelFolderError) {
    let settings = try TokenizerSettings(folder)
    if folder.has("tokenizer.model") {
      file = "tokenizer.model"
      let data = try folder.read(file)
      let model: SentencePieceModel
      do {
        tokenizer = try SentencePieceTokenizer(model: data)
        model = try SentencePieceModel(data)
      } catch {
        throw folder.problem("tokenizer.model", "\(error)")
      }
      var described: [Int32]?
      if folder.has("tokenizer.json") {
        let json = try folder.object("tokenizer.json")
        try Self.requirePieces(of: model, in: json, folder)
        do {
          described = try TokenizerDescription.textStart(in: json, tokenCount: model.pieces.count)
        } catch {
          throw folder.problem("tokenizer.json", "\(error)")
        }
      }
      textStart = try settings.textStart(folder, described: described) { name in
        model.pieces.firstIndex { $0.text == name }.map { Int32($0) }
      }
      return
    }
    let json: JSONObject
    if folder.has("tokenizer.json") {
      file = "tokenizer.json"
      json = try folder.object(file)
    } else if folder.has("vocab.json"), folder.has("merges.txt") {
      file = "vocab.json"
      json = try Self.description(ofFilesIn: folder)
    } else {
      let other = ["tiktoken.model", "tekken.json", "spiece.model"].first(where: folder.has)
      throw folder.problem(
        other ?? "tokenizer.model",
        other == nil
          ? "no such file, and no tokenizer.json or vocab.json with merges.txt either"
          : "tokenizers of this kind are not read; save it with transformers as tokenizer.json")
    }
    do {
      let description = try TokenizerDescription(json)
      let end = try description.endOfText(named: settings.endToken, numbered: endsOfText)
      tokenizer = try description.tokenizer(endingTextsWith: end)
      let described = file == "tokenizer.json" ? description.textStart : nil
      textStart = try settings.textStart(folder, described: described) { description.token(named: $0) } ?? []
    } catch let error as ModelFolderError {
      throw error
    } catch {
      throw folder.problem(file, "\(error)")
    }
  }

  /// The pairs of bytes that `tokenizer.json` describes.
  static func byteLevel(
    _ folder: HuggingFaceFiles, endOfText: Int32
  ) throws(ModelFolderError) -> any StoryTokenizer {
    let json = try folder.object("tokenizer.json")
    do {
      let description = try TokenizerDescription(json)
      guard description.has(endOfText) else {
        throw ConfigurationError("there is no token \(endOfText), which ends a text")
      }
      return try description.tokenizer(endingTextsWith: endOfText)
    } catch {
      throw folder.problem("tokenizer.json", "\(error)")
    }
  }

  /// Throws when a `tokenizer.json` beside a `tokenizer.model`, which transformers would rather read, has other pieces.
  private static func requirePieces(
    of model: SentencePieceModel, in json: JSONObject, _ folder: HuggingFaceFiles
  ) throws(ModelFolderError) {
    let names: [String]
    do {
      names = try TokenizerDescription.names(in: json)
    } catch {
      throw folder.problem("tokenizer.json", "\(error)")
    }
    func spelled(_ name: String) -> [UInt8] { Array(name.replacing(scalar: "\u{2581}", with: " ").utf8) }
    guard names.count == model.pieces.count else {
      throw folder.problem(
        "tokenizer.json", "\(names.count) tokens where tokenizer.model has \(model.pieces.count); remove the wrong one")
    }
    for (token, (name, piece)) in zip(names, model.pieces).enumerated()
    where spelled(name) != spelled(piece.text) {
      throw folder.problem(
        "tokenizer.json",
        "token \(token) is '\(name)' where tokenizer.model has '\(piece.text)'; remove the wrong one")
    }
  }

  /// `vocab.json` and `merges.txt` of GPT-2 as one `tokenizer.json`.
  private static func description(ofFilesIn folder: HuggingFaceFiles) throws(ModelFolderError) -> JSONObject {
    let vocabulary = try folder.object("vocab.json")
    let added = try folder.objectIfThere("added_tokens.json")
    guard let text = String(validating: try folder.read("merges.txt"), as: UTF8.self) else {
      throw folder.problem("merges.txt", "not UTF-8")
    }
    let lines = text.split(whereSeparator: \.isNewline).drop { $0.hasPrefix("#version") }
    // What GPT-2's own vocabulary calls the end of a text is a token of its own even where no file says so.
    let specials = vocabulary.members.filter { $0.key == "<|endoftext|>" } + added.members
    let json: JSONValue = [
      "version": "1.0",
      "added_tokens": .array(
        specials.map { ["id": $0.value, "content": .string($0.key), "special": true] }),
      "normalizer": nil,
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
      "post_processor": nil, "decoder": ["type": "ByteLevel"],
      "model": [
        "type": "BPE", "vocab": .object(vocabulary), "merges": .array(lines.map { .string(String($0)) }),
      ],
    ]
    guard case .object(let object) = json else { fatalError("a literal of members is an object") }
    return object
  }
}

/// What `tokenizer_config.json` and `special_tokens_map.json` say.
private struct TokenizerSettings {
  let endToken: String?
  private let startToken: String?
  private let addsStart: Bool?
  /// Whether transformers gives the folder one of its Llama classes.
  private let isLlama: Bool

  init(_ folder: HuggingFaceFiles) throws(ModelFolderError) {
    let settings = try folder.objectIfThere("tokenizer_config.json")
    let map = try folder.objectIfThere("special_tokens_map.json")
    func flag(_ key: String) throws(ModelFolderError) -> Bool? {
      switch settings[key] {
      case nil, .null: return nil
      case .boolean(let value): return value
      default: throw folder.problem("tokenizer_config.json", "'\(key)' is neither true nor false")
      }
    }
    /// A token as its text, or as an object with its text.
    func token(_ key: String) throws(ModelFolderError) -> String? {
      var value = settings[key] ?? map[key]
      if case .object(let object)? = value { value = object["content"] }
      switch value {
      case nil, .null: return nil
      case .string(let text): return text
      default: throw folder.problem("tokenizer_config.json", "'\(key)' is no token")
      }
    }
    endToken = try token("eos_token")
    startToken = try token("bos_token")
    addsStart = try flag("add_bos_token")
    isLlama = if case .string(let name)? = settings["tokenizer_class"] { name.hasPrefix("Llama") } else { false }
    for key in ["add_eos_token", "add_prefix_space", "do_lower_case"] where try flag(key) == true {
      throw folder.problem("tokenizer_config.json", "'\(key)' is true; only false can be read")
    }
  }

  /// What comes before a text; nil where nothing is said of it.
  ///
  /// What a `tokenizer.json` describes counts, whatever `add_bos_token` is; but the Llama classes of transformers 4 obey the flag.
  func textStart(
    _ folder: HuggingFaceFiles, described: [Int32]?, token: (String) -> Int32?
  ) throws(ModelFolderError) -> [Int32]? {
    if let described {
      guard let addsStart, isLlama, addsStart == described.isEmpty else { return described }
      throw folder.problem(
        "tokenizer_config.json",
        "'add_bos_token' is \(addsStart), but tokenizer.json puts \(addsStart ? "nothing" : "a token") before a text, and "
          + "versions of transformers differ over which counts; make them agree")
    }
    guard let addsStart else { return nil }
    guard addsStart else { return [] }
    guard let startToken, let start = token(startToken) else {
      throw folder.problem("tokenizer_config.json", "'add_bos_token' is true, but 'bos_token' is no token")
    }
    return [start]
  }
}
