internal import Foundation
internal import NanoData
internal import NanoModels

extension HuggingFaceTokenizer {
  /// The files that give `AutoTokenizer` the same tokens.
  /// - Parameter textStart: what comes before a text; nil for the end of the text before it.
  static func files(
    for tokenizer: any StoryTokenizer, textStart: [Int32]?, contextLength: Int
  ) throws -> [(name: String, data: Data)] {
    let start = textStart ?? [tokenizer.endOfStory]
    switch tokenizer {
    case let tokenizer as SentencePieceTokenizer:
      let model = try SentencePieceModel(tokenizer.model)
      let name: (Int32) -> String = { model.pieces[Int($0)].text }
      let unknown = model.pieces.first { $0.kind == .unknown }?.text
      var files = [("tokenizer.model", tokenizer.model)]
      if let json = json(of: model, textStart: start.map { ($0, name($0)) }) {
        files.append(("tokenizer.json", json))
      }
      let settings = settings(
        of: tokenizer, class: files.count == 2 ? "PreTrainedTokenizerFast" : "LlamaTokenizer",
        start: start.first.map(name), end: name(tokenizer.endOfStory), unknown: unknown,
        contextLength: contextLength)
      return files + [("tokenizer_config.json", settings.data)]
    case let tokenizer as ByteLevelTokenizer:
      guard case .object(let json) = try JSONValue(parsing: tokenizer.description) else {
        fatalError("ByteLevelTokenizer: a description that is no object")
      }
      let description = try TokenizerDescription(json)
      let template = template(start.map { ($0, description.name(of: $0)) })
      let settings = settings(
        of: tokenizer, class: "PreTrainedTokenizerFast", start: start.first.map(description.name),
        end: description.name(of: tokenizer.endOfStory), unknown: nil, contextLength: contextLength)
      return [
        ("tokenizer.json", JSONValue.object(json.setting("post_processor", to: template)).data),
        ("tokenizer_config.json", settings.data),
      ]
    default: fatalError("HuggingFaceTokenizer: no file format for \(type(of: tokenizer))")
    }
  }

  private static func settings(
    of tokenizer: any StoryTokenizer, class name: String, start: String?, end: String, unknown: String?,
    contextLength: Int
  ) -> JSONValue {
    [
      "tokenizer_class": .string(name), "model_max_length": .integer(contextLength),
      "bos_token": .string(start ?? end), "eos_token": .string(end),
      "unk_token": unknown.map { .string($0) } ?? nil, "add_bos_token": .boolean(start != nil),
      "add_eos_token": false, "add_prefix_space": false, "legacy": false,
      "clean_up_tokenization_spaces": false,
      // What is typed is text, also where it looks like a special token.
      "split_special_tokens": true, "model_input_names": ["input_ids", "attention_mask"],
    ]
  }

  /// A SentencePiece model as `tokenizer.json`; nil for one whose rules the tokenizers library does not have.
  ///
  /// Spaces become U+2581 on the way to the pieces, and U+2581 spaces on the way back. The pieces of bytes are in the
  /// vocabulary alone: as added tokens they would be found in texts.
  private static func json(
    of model: SentencePieceModel, textStart: [(token: Int32, name: String)]
  ) -> Data? {
    guard model.algorithm == .bytePair, model.takesTextAsIs,
      model.pieces.allSatisfy({ $0.kind != .unused && $0.kind != .userDefined }),
      let unknown = model.pieces.first(where: { $0.kind == .unknown })?.text
    else { return nil }
    let specials = model.pieces.enumerated().filter { $1.kind == .unknown || $1.kind == .control }
    let json: JSONValue = [
      "version": "1.0", "truncation": nil, "padding": nil,
      "added_tokens": .array(
        specials.map { token, piece in
          [
            "id": .integer(token), "content": .string(piece.text), "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true,
          ]
        }),
      "normalizer": replacement(of: " ", by: "\u{2581}"), "pre_tokenizer": nil, "post_processor": template(textStart),
      "decoder": [
        "type": "Sequence",
        "decoders": [replacement(of: "\u{2581}", by: " "), ["type": "ByteFallback"], ["type": "Fuse"]],
      ],
      "model": [
        "type": "BPE", "dropout": nil, "unk_token": .string(unknown), "continuing_subword_prefix": nil,
        "end_of_word_suffix": nil, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
        "vocab": .object(
          JSONObject(model.pieces.enumerated().map { JSONObject.Member(key: $1.text, value: .integer($0)) })),
        "merges": .array(merges(of: model).map { [.string($0.left), .string($0.right)] }),
      ],
    ]
    return json.data
  }

  private static func replacement(of pattern: JSONValue, by content: JSONValue) -> JSONValue {
    ["type": "Replace", "pattern": ["String": pattern], "content": content]
  }

  /// Every pair of pieces that SentencePiece joins, the best result first; of one result the longer first half first,
  /// which is what its leftmost place comes to.
  private static func merges(of model: SentencePieceModel) -> [(left: String, right: String)] {
    let normal = Set(model.pieces.filter { $0.kind == .normal }.map { Array($0.text.utf8) })
    var merges: [(left: String, right: String, score: Float, length: Int, token: Int)] = []
    for (token, piece) in model.pieces.enumerated() where piece.kind == .normal {
      let scalars = piece.text.unicodeScalars
      for index in scalars.indices.dropFirst() {
        let (left, right) = (String(scalars[..<index]), String(scalars[index...]))
        if normal.contains(Array(left.utf8)), normal.contains(Array(right.utf8)) {
          merges.append((left, right, piece.score, left.utf8.count, token))
        }
      }
    }
    merges.sort { ($1.score, $0.token, $1.length) < ($0.score, $1.token, $0.length) }
    return merges.map { ($0.left, $0.right) }
  }

  /// A post-processor that puts tokens before a text.
  private static func template(_ start: [(token: Int32, name: String)]) -> JSONValue {
    guard !start.isEmpty else { return nil }
    func sequence(_ id: String) -> JSONValue { ["Sequence": ["id": .string(id), "type_id": 0]] }
    let tokens: [JSONValue] = start.map { ["SpecialToken": ["id": .string($0.name), "type_id": 0]] }
    let specials = start.map { token, name in
      JSONObject.Member(
        key: name,
        value: ["id": .string(name), "ids": [.integer(Int(token))], "tokens": [.string(name)]])
    }
    return [
      "type": "TemplateProcessing", "single": .array(tokens + [sequence("A")]),
      "pair": .array(tokens + [sequence("A"), sequence("B")]),
      "special_tokens": .object(JSONObject(specials)),
    ]
  }
}
