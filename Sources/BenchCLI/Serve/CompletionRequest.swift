import Foundation
import NanoModels
import NanoTensor
import NanoTraining

/// A request that cannot be answered, as OpenAI's interface tells of it.
struct RequestError: Error, Hashable {
  /// The status of HTTP.
  let status: Int
  let message: String

  var body: Data {
    let kind = status < 500 ? "invalid_request_error" : "server_error"
    let error: JSONValue = [
      "error": ["message": .string(message), "type": .string(kind), "param": nil, "code": nil]
    ]
    return error.data
  }
}

/// The body of a request to `/v1/completions`. What would change the text and is not offered is refused by its name.
/// - SeeAlso: platform.openai.com/docs/api-reference/completions.
struct CompletionRequest: Sendable {
  enum Prompt: Sendable {
    case text(String)
    case tokens([Int32])
  }

  /// Nil for the first model.
  let modelName: String?
  let prompt: Prompt
  let tokenCount: Int
  let sampler: Sampler
  let seed: UInt64
  /// Texts before which a completion ends.
  let stops: [String]
  /// How many alternatives of each token are told; nil for no probabilities at all.
  let alternativeCount: Int?
  let streams: Bool
  /// Whether a stream ends with the counts of tokens.
  let streamsUsage: Bool

  static let largestBody = 1 << 18
  static let largestTokenCount = 4096

  init(_ body: Data) throws(RequestError) {
    do {
      guard case .object(let object) = try JSONValue(parsing: body) else {
        throw ConfigurationError("the body is no JSON object")
      }
      var reader = HuggingFaceReader(object)
      try self.init(&reader)
      // Who asks changes nothing.
      try reader.finish(harmless: ["user"])
    } catch {
      throw RequestError(status: 400, message: "\(error)")
    }
  }

  private init(_ reader: inout HuggingFaceReader) throws(ConfigurationError) {
    modelName = try Self.text("model", &reader)
    prompt = try Self.prompt(&reader)
    tokenCount = try reader.optionalInteger("max_tokens", in: 1...Self.largestTokenCount) ?? 16
    sampler = Sampler(
      temperature: Float(try reader.optionalNumber("temperature", in: 0...10) ?? 1),
      topP: try reader.optionalNumber("top_p", in: 1e-6...1).map { Float($0) })
    seed = UInt64(try reader.optionalInteger("seed", in: 0...Int.max) ?? Int.random(in: 0...Int.max))
    stops = try Self.stops(&reader)
    alternativeCount = try reader.optionalInteger("logprobs", in: 0...5)
    streams = try Self.flag("stream", &reader)
    if var options = try reader.object("stream_options") {
      streamsUsage = try options.flag("include_usage", default: false)
      try options.finish()
    } else {
      streamsUsage = false
    }
    guard !streams || alternativeCount == nil else { throw reader.refusal("logprobs", "is not offered for a stream") }
    for (key, value) in [
      ("n", 1), ("best_of", 1), ("presence_penalty", 0), ("frequency_penalty", 0), ("echo", false), ("suffix", nil),
      ("logit_bias", .object(JSONObject())),
    ] as [(String, JSONValue)] {
      try reader.require(key, value, orNull: true)
    }
  }

  private static func text(
    _ key: String, _ reader: inout HuggingFaceReader
  ) throws(ConfigurationError) -> String? {
    switch reader.value(key) {
    case nil, .null: return nil
    case .string(let text): return text
    case .some(let value): throw reader.refusal(key, "is \(value.summary); it must be a text")
    }
  }

  private static func flag(_ key: String, _ reader: inout HuggingFaceReader) throws(ConfigurationError) -> Bool {
    reader.value(key) == .null ? false : try reader.flag(key, default: false)
  }

  private static func prompt(_ reader: inout HuggingFaceReader) throws(ConfigurationError) -> Prompt {
    var value = reader.value("prompt")
    // One prompt may stand in a list.
    if case .array(let list)? = value, list.count == 1, let first = list.first {
      if case .integer = first {} else { value = first }
    }
    switch value {
    case nil, .null: return .text("")
    case .string(let text): return .text(text)
    case .array(let list):
      var tokens: [Int32] = []
      for element in list {
        guard case .integer(let number) = element, let token = Int32(exactly: number) else {
          throw reader.refusal("prompt", "is a list of something else than tokens; give one text, or the tokens of one")
        }
        tokens.append(token)
      }
      return .tokens(tokens)
    case .some(let value):
      throw reader.refusal("prompt", "is \(value.summary); it must be a text, or the tokens of one")
    }
  }

  private static func stops(_ reader: inout HuggingFaceReader) throws(ConfigurationError) -> [String] {
    var stops: [String] = []
    switch reader.value("stop") {
    case nil, .null: break
    case .string(let text): stops = [text]
    case .array(let list):
      for element in list {
        guard case .string(let text) = element else { throw reader.refusal("stop", "has an element that is no text") }
        stops.append(text)
      }
    case .some(let value): throw reader.refusal("stop", "is \(value.summary); it must be a text or up to 4")
    }
    guard stops.count <= 4, stops.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 1024 }) else {
      throw reader.refusal("stop", "must be up to 4 texts of 1 to 1024 bytes")
    }
    return stops
  }
}
