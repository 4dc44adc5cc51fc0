/// Reads a JSON object of transformers key by key, and knows which keys nobody asked for.
///
/// What a key means for the computation is honoured or checked; ``finish(harmless:)`` refuses every other key by its
/// name, except those that are known to change nothing.
package struct HuggingFaceReader {
  package let object: JSONObject
  /// What the keys of this object are called in messages.
  private let prefix: String
  private var known: Set<String> = []

  package init(_ object: JSONObject, prefix: String = "") {
    self.object = object
    self.prefix = prefix
  }

  package mutating func value(_ key: String) -> JSONValue? {
    known.insert(key)
    return object[key]
  }

  package func has(_ key: String) -> Bool { object[key] != nil }

  package func refusal(_ key: String, _ problem: String) -> ConfigurationError {
    ConfigurationError("'\(prefix)\(key)' \(problem)")
  }

  private func wrong(_ key: String, _ value: JSONValue, _ expected: String) -> ConfigurationError {
    refusal(key, "is \(value.summary); it must be \(expected)")
  }

  // MARK: Values

  /// - Parameter fallback: for a key that is not there; nil for one that must be.
  package mutating func integer(
    _ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil
  ) throws(ConfigurationError) -> Int {
    guard let value = value(key) else { return try required(fallback, key) }
    guard case .integer(let number) = value, range.contains(number) else {
      throw wrong(key, value, "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// The same, or nil for `null`.
  package mutating func optionalInteger(
    _ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil
  ) throws(ConfigurationError) -> Int? {
    guard let value = value(key) else { return fallback }
    return value == .null ? nil : try integer(key, in: range)
  }

  package mutating func number(
    _ key: String, in range: ClosedRange<Double>, default fallback: Double? = nil
  ) throws(ConfigurationError) -> Double {
    guard let value = value(key) else { return try required(fallback, key) }
    let number: Double? =
      switch value {
      case .integer(let whole): Double(whole)
      case .number(let number): number
      default: nil
      }
    guard let number, range.contains(number) else {
      throw wrong(key, value, "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// The same, or nil for `null` or no key.
  package mutating func optionalNumber(
    _ key: String, in range: ClosedRange<Double>
  ) throws(ConfigurationError) -> Double? {
    guard let value = value(key), value != .null else { return nil }
    return try number(key, in: range)
  }

  package mutating func flag(_ key: String, default fallback: Bool) throws(ConfigurationError) -> Bool {
    guard let value = value(key) else { return fallback }
    guard case .boolean(let flag) = value else { throw wrong(key, value, "true or false") }
    return flag
  }

  package mutating func text(
    _ key: String, oneOf choices: [String], default fallback: String? = nil
  ) throws(ConfigurationError) -> String {
    guard let value = value(key) else { return try required(fallback, key) }
    guard case .string(let text) = value, choices.contains(text) else {
      let known = choices.map { "\"\($0)\"" }.joined(separator: ", ")
      throw refusal(key, "is \(value.summary); what can be read: \(known)")
    }
    return text
  }

  /// A reader of the object behind a key; nil for `null`, no key, or an empty object.
  package mutating func object(_ key: String) throws(ConfigurationError) -> HuggingFaceReader? {
    guard let value = value(key), value != .null else { return nil }
    guard case .object(let object) = value else { throw wrong(key, value, "an object or null") }
    return object.members.isEmpty ? nil : HuggingFaceReader(object, prefix: "\(prefix)\(key).")
  }

  /// The numbers behind a key: one, a list, or none.
  package mutating func tokens(_ key: String) throws(ConfigurationError) -> [Int] {
    func token(_ value: JSONValue) throws(ConfigurationError) -> Int {
      guard case .integer(let token) = value else { throw wrong(key, value, "a token's number") }
      return token
    }
    switch value(key) {
    case nil, .null: return []
    case .array(let values):
      var tokens: [Int] = []
      for value in values { tokens.append(try token(value)) }
      return tokens
    case .some(let value): return [try token(value)]
    }
  }

  private func required<Value>(_ fallback: Value?, _ key: String) throws(ConfigurationError) -> Value {
    guard let fallback else { throw refusal(key, "is missing") }
    return fallback
  }

  // MARK: Checks

  /// Throws unless a key, if it is there, has the one value that can be read (or `null`, where that means the same).
  package mutating func require(
    _ key: String, _ expected: JSONValue, orNull: Bool = false
  ) throws(ConfigurationError) {
    guard let value = value(key), value != expected, !(orNull && value == .null) else { return }
    // 1 and 1.0 are one number.
    if case .integer(let whole) = expected, case .number(Double(whole)) = value { return }
    throw refusal(key, "is \(value.summary); only \(expected.summary) can be read")
  }

  /// Throws when a key is there that was not asked for and is not harmless.
  package func finish(harmless: Set<String> = []) throws(ConfigurationError) {
    for member in object.members where !known.contains(member.key) && !harmless.contains(member.key) {
      throw refusal(
        member.key, "is not known here, and may change what is computed")
    }
  }
}

extension HuggingFaceReader {
  /// Keys that change nothing of what a model computes, in either version of transformers that exports are tried with.
  private static let harmless: Set<String> = [
    // Where the model comes from, and what it was saved with.
    "_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "auto_map", "tokenizer_class",
    // Which of several equal implementations runs, and what a call returns.
    "_attn_implementation", "attn_implementation", "_experts_implementation", "experts_implementation",
    "_attn_implementation_autoset", "use_cache", "output_attentions", "output_hidden_states",
    "output_router_logits", "output_scores", "return_dict", "return_dict_in_generate", "use_return_dict",
    "torchscript", "tf_legacy_loss", "use_bfloat16", "chunk_size_feed_forward", "is_decoder", "ep_size",
    "pretraining_tp", "reorder_and_upcast_attn", "output_past", "xla_device",
    // Training alone.
    "initializer_range", "gradient_checkpointing", "aux_loss_alpha", "seq_aux", "router_aux_loss_coef",
    // Heads for other tasks.
    "finetuning_task", "problem_type", "num_labels", "_num_labels", "id2label", "label2id", "classifier_dropout",
    "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels",
    "summary_first_dropout", "sep_token_id", "decoder_start_token_id", "n_special", "predict_special_tokens",
    // How transformers draws tokens where nobody says so; here the flags of `generate` do.
    "task_specific_params", "do_sample", "temperature", "top_k", "top_p", "typical_p", "max_length",
    "num_return_sequences", "length_penalty", "early_stopping", "remove_invalid_values", "prefix",
  ]

  /// Keys of all models that change what transformers writes or reads, with the value that changes nothing.
  private static let neutral: [(key: String, value: JSONValue)] = [
    ("add_cross_attention", .boolean(false)), ("is_encoder_decoder", .boolean(false)),
    ("cross_attention_hidden_size", .null), ("pruned_heads", .object(JSONObject())),
    ("tie_encoder_decoder", .boolean(false)), ("repetition_penalty", .integer(1)),
    ("num_beams", .integer(1)), ("num_beam_groups", .integer(1)), ("diversity_penalty", .integer(0)),
    ("no_repeat_ngram_size", .integer(0)), ("encoder_no_repeat_ngram_size", .integer(0)),
    ("min_length", .integer(0)), ("bad_words_ids", .null), ("suppress_tokens", .null),
    ("begin_suppress_tokens", .null), ("forced_bos_token_id", .null), ("forced_eos_token_id", .null),
    ("exponential_decay_length_penalty", .null),
  ]

  /// What all models have in common; the rest of the keys must have been asked for before.
  /// - Returns: the tokens that end a text.
  mutating func finish(
    architectures: [String], modelTypes: [String]
  ) throws(ConfigurationError) -> [Int] {
    if let names = value("architectures"), names != .null {
      guard case .array(let list) = names,
        list.allSatisfy({ if case .string(let name) = $0 { architectures.contains(name) } else { false } })
      else { throw refusal("architectures", "must be a list of \(architectures.joined(separator: ", "))") }
    }
    _ = try text("model_type", oneOf: modelTypes, default: modelTypes[0])
    for key in ["dtype", "torch_dtype"] where has(key) {
      if value(key) == .null { continue }
      _ = try text(
        key, oneOf: ["float32", "bfloat16", "float16", "auto"].flatMap { [$0, "torch.\($0)"] })
    }
    for (key, value) in Self.neutral { try require(key, value, orNull: true) }
    _ = try tokens("bos_token_id")
    _ = try tokens("pad_token_id")
    let ends = try tokens("eos_token_id")
    try finish(harmless: Self.harmless)
    return ends
  }
}
