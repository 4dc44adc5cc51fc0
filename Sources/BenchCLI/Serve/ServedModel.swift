import Foundation
import NanoAutograd
import NanoData
import NanoModels
import NanoTensor
import NanoTraining

/// A model that completes texts, and its name for those who ask.
struct ServedModel: Sendable {
  let name: String
  private let contents: ModelFolder.Contents

  init(name: String, _ contents: ModelFolder.Contents) {
    self.name = name
    self.contents = contents
  }

  /// A text that a model has written.
  struct Completion: Sendable {
    var text = ""
    /// The tokens of what came before, and those that were drawn.
    var prompt: [Int32] = []
    var tokens: [Int32] = []
    /// `stop` or `length`.
    var finishReason = "length"
    var probabilities: JSONValue = nil
  }

  /// The tokens that a prompt begins a text with.
  func tokens(of prompt: CompletionRequest.Prompt) throws(RequestError) -> [Int32] {
    let tokenizer = contents.tokenizer
    var tokens: [Int32]
    switch prompt {
    case .tokens(let given):
      tokens = given
      guard tokens.allSatisfy({ (0..<Int32(tokenizer.vocabularySize)).contains($0) }) else {
        throw RequestError(
          status: 400, message: "'prompt' has a token outside the vocabulary of \(tokenizer.vocabularySize)")
      }
    case .text(let text):
      do {
        tokens = (contents.textStart ?? tokenizer.endOfText.map { [$0] } ?? []) + (try tokenizer.encode(text))
      } catch {
        throw RequestError(status: 400, message: "'prompt': \(error)")
      }
    }
    if tokens.isEmpty, let end = tokenizer.endOfText { tokens = [end] }
    guard !tokens.isEmpty else { throw RequestError(status: 400, message: "'prompt' is empty") }
    return tokens
  }

  /// Throws where a request asks for more than the model has.
  func check(_ request: CompletionRequest) throws(RequestError) {
    let prompt = try tokens(of: request.prompt)
    let context = contents.model.configuration.contextLength
    guard request.alternativeCount == nil || prompt.count + request.tokenCount <= context else {
      throw RequestError(
        status: 400,
        message: "'logprobs' are told for texts within the context of \(context); this one would have "
          + "\(prompt.count + request.tokenCount) tokens")
    }
  }

  private struct Stopped: Error {}

  /// Continues a prompt.
  /// - Parameter emit: is given text as it comes; whether more is wanted.
  /// - Throws: ``NotFiniteLogits``.
  func complete(_ request: CompletionRequest, emit: (String) -> Bool) throws -> Completion {
    let tokenizer = contents.tokenizer
    var completion = Completion(prompt: try tokens(of: request.prompt))
    var generator = TextGenerator(
      request.sampler, tokenCount: tokenizer.vocabularySize, generator: RandomGenerator(seed: request.seed))
    generator.usesCache = !(tokenizer is CharacterTokenizer)
    var (stream, filter) = (DecodedStream(tokenizer), StopFilter(request.stops))
    func take(_ text: String) throws {
      completion.text += text
      guard text.isEmpty || emit(text) else { throw Stopped() }
    }
    do {
      try generator.generate(
        request.tokenCount, after: completion.prompt, endingAt: tokenizer.endOfText, from: contents.model
      ) { token in
        completion.tokens.append(token)
        try take(filter.append(stream.append(token)))
        if filter.hasStopped { throw Stopped() }
      }
      if completion.tokens.count < request.tokenCount { completion.finishReason = "stop" }
      try take(filter.append(stream.rest()))
      try take(filter.rest())
      if filter.hasStopped { completion.finishReason = "stop" }
    } catch is Stopped {
      completion.finishReason = "stop"
    }
    if let count = request.alternativeCount { completion.probabilities = probabilities(of: completion, count) }
    return completion
  }

  /// The logarithms of the probabilities that the model gave the drawn tokens, and the likeliest of each place.
  private func probabilities(of completion: Completion, _ count: Int) -> JSONValue {
    let (prompt, tokens) = (completion.prompt, completion.tokens)
    guard !tokens.isEmpty else { return ["tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []] }
    let inputs = prompt + tokens.dropLast()
    let tape = Tape(recording: false)
    let logits = withExtendedLifetime(tape) {
      contents.model.logits(for: inputs, sequenceLength: inputs.count, on: tape).value
    }
    let (scalars, width) = (logits.scalars, logits.shape.width)
    func name(_ token: Int) -> String { contents.tokenizer.decode([Int32(token)]) }
    var (names, own, best, offsets) = ([JSONValue](), [JSONValue](), [JSONValue](), [JSONValue]())
    var offset = 0
    for (place, token) in tokens.enumerated() {
      let first = (prompt.count - 1 + place) * width
      let row = scalars[first..<first + contents.tokenizer.vocabularySize].map(Double.init)
      let highest = row.max() ?? 0
      let total = highest + log(row.reduce(0) { $0 + exp($1 - highest) })
      let order = row.indices.sorted { (row[$0], $1) > (row[$1], $0) }.prefix(count)
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
    return [
      "tokens": .array(names), "token_logprobs": .array(own), "top_logprobs": .array(best),
      "text_offset": .array(offsets),
    ]
  }
}
