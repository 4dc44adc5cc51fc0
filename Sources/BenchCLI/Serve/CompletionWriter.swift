import Foundation
import NanoData
import NanoModels
import NanoTensor
import NanoTraining

/// A text that a model has written.
struct Completion: Sendable {
  var text = ""
  let promptCount: Int
  var tokenCount = 0
  /// `stop` or `length`; nil while it is being written.
  var finishReason: String?
  var probabilities: TokenProbabilities?
}

/// Draws the tokens of one completion and makes text of them.
struct CompletionWriter {
  private(set) var completion: Completion
  private let request: CompletionRequest
  private let tokenizer: any Tokenizer
  private let prompt: [Int32]
  private var tokens: [Int32] = []
  private var generator: RandomGenerator
  private var stream: DecodedStream
  private var filter: StopFilter

  init(_ request: CompletionRequest, prompt: [Int32], tokenizer: any Tokenizer) {
    self.request = request
    self.prompt = prompt
    self.tokenizer = tokenizer
    completion = Completion(promptCount: prompt.count)
    completion.probabilities = request.alternativeCount.map { TokenProbabilities(alternativeCount: $0) }
    generator = RandomGenerator(seed: request.seed)
    stream = DecodedStream(tokenizer)
    filter = StopFilter(request.stops)
  }

  /// Draws the next token.
  /// - Parameter logits: of the model, which may have tokens that no text contains.
  /// - Returns: the token, nil behind the last one, and the text that is certain now.
  /// - Throws: where there is nothing to draw from.
  mutating func next(from logits: [Float]) throws(NotFiniteLogits) -> (token: Int32?, text: String) {
    let tokenizer = tokenizer
    let candidates = Array(logits.prefix(tokenizer.vocabularySize))
    let token = try request.sampler.draw(from: candidates, seen: prompt + tokens, using: &generator)
    var text = ""
    if token == tokenizer.endOfText {
      completion.finishReason = "stop"
    } else {
      tokens.append(token)
      completion.probabilities?.append(token, of: candidates, tokenizer)
      text = filter.append(stream.append(token))
      if tokens.count == request.tokenCount { completion.finishReason = "length" }
    }
    if completion.finishReason != nil { text += filter.append(stream.rest()) + filter.rest() }
    if filter.hasStopped { completion.finishReason = "stop" }
    completion.text += text
    completion.tokenCount = tokens.count
    return (completion.finishReason == nil ? token : nil, text)
  }
}

/// The logarithms of the probabilities of drawn tokens, and of the likeliest of each place, as OpenAI's interface tells
/// them.
struct TokenProbabilities: Sendable {
  let alternativeCount: Int
  private var names: [JSONValue] = []
  private var own: [JSONValue] = []
  private var best: [JSONValue] = []
  private var offsets: [JSONValue] = []
  private var offset = 0

  init(alternativeCount: Int) { self.alternativeCount = alternativeCount }

  mutating func append(_ token: Int32, of logits: [Float], _ tokenizer: any Tokenizer) {
    func name(_ token: Int) -> String { tokenizer.decode([Int32(token)]) }
    let row = logits.map(Double.init)
    let highest = row.max() ?? 0
    let total = highest + log(row.reduce(0) { $0 + exp($1 - highest) })
    let order = row.indices.sorted { (row[$0], $1) > (row[$1], $0) }.prefix(alternativeCount)
    names.append(.string(name(Int(token))))
    own.append(.number(row[Int(token)] - total))
    // Pieces of bytes have one name: the likeliest has it.
    var seen: Set<String> = []
    best.append(
      .object(
        JSONObject(
          order.filter { seen.insert(name($0)).inserted }.map {
            JSONObject.Member(key: name($0), value: .number(row[$0] - total))
          })))
    offsets.append(.integer(offset))
    offset += name(Int(token)).unicodeScalars.count
  }

  var json: JSONValue {
    [
      "tokens": .array(names), "token_logprobs": .array(own), "top_logprobs": .array(best),
      "text_offset": .array(offsets),
    ]
  }
}
