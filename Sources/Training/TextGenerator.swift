internal import NanoAutograd
public import NanoModels
internal import NanoPreconditions
public import NanoTensor

/// Continues texts with a model, one token after another.
public struct TextGenerator: Sendable {
  /// How tokens are drawn.
  public var sampler: Sampler
  /// Tokens from here on are never drawn; nil for none.
  public var tokenCount: Int?
  /// Whether a model's cache is used. Without it the whole window is computed for every token, and slides when it is
  /// full: what the published character study does.
  public var usesCache = true
  /// How weights lie in memory, where a cache is used on the host.
  public var weights = WeightFormat.float32
  private var generator: RandomGenerator

  /// - Parameter tokenCount: how many tokens can be written, where the model has more.
  public init(_ sampler: Sampler = Sampler(), tokenCount: Int? = nil, generator: RandomGenerator) {
    self.sampler = sampler
    self.tokenCount = tokenCount
    self.generator = generator
  }

  /// Continues `prompt` by up to `count` tokens, each drawn from the model's prediction for as much of the
  /// text as its context holds.
  ///
  /// A model with a cache reads the prompt at once and computes one position a token; when its context is full, it starts
  /// again from the last half of it. On a GPU, where caches do not lie, it reads the same positions anew for each token:
  /// what is drawn from differs by rounding alone.
  /// - Parameters:
  ///   - prompt: at least one token; of a long one the last are read, see ``readCount(ofPrompt:context:)``.
  ///   - end: a token that ends the text early, and is not part of it; nil for none.
  ///   - didDraw: is given every token as it is drawn.
  /// - Returns: the new tokens.
  /// - Throws: ``NotFiniteLogits``, and what `didDraw` throws.
  @discardableResult
  public mutating func generate(
    _ count: Int, after prompt: [Int32], endingAt end: Int32? = nil, from model: some LanguageModel,
    didDraw: (Int32) throws -> Void
  ) throws -> [Int32] {
    var generators = [generator]
    defer { generator = generators[0] }
    return try generate(count, after: [prompt], endingAt: end, from: model, using: &generators) { _, token in
      try didDraw(token)
    }[0]
  }

  /// The same without being told of every token.
  public mutating func generate(
    _ count: Int, after prompt: [Int32], endingAt end: Int32? = nil, from model: some LanguageModel
  ) throws -> [Int32] {
    try generate(count, after: prompt, endingAt: end, from: model) { _ in }
  }

  /// Continues several prompts at once, each with a generator of its own: every text is the one that it would be alone.
  ///
  /// With a cache on the host they share the reading of weights, which takes most of the time; else they are written one
  /// after another.
  /// - Parameter didDraw: is given the text's index and every token as it is drawn.
  /// - Returns: the new tokens of each.
  /// - Throws: ``NotFiniteLogits``, and what `didDraw` throws.
  @discardableResult
  public func generate(
    _ count: Int, after prompts: [[Int32]], endingAt end: Int32? = nil, from model: some LanguageModel,
    using generators: inout [RandomGenerator], didDraw: (_ text: Int, _ token: Int32) throws -> Void = { _, _ in }
  ) throws -> [[Int32]] {
    checkPrecondition(
      prompts.count == generators.count && prompts.allSatisfy { !$0.isEmpty },
      "generate: prompts of \(prompts.map(\.count)) tokens, \(generators.count) generators")
    var texts = prompts
    let options = DecodingOptions(textCount: max(1, prompts.count), weights: weights)
    if usesCache, model.device.isCPU, let session = model.makeDecodingSession(options) {
      try extend(&texts, by: count, endingAt: end, in: session, of: model, using: &generators, didDraw)
    } else {
      for text in texts.indices {
        var start: Int?
        for _ in 0..<count {
          let logits = logits(after: texts[text], from: model, &start)
          guard let next = try draw(from: logits, after: texts[text], endingAt: end, using: &generators[text]) else {
            break
          }
          texts[text].append(next)
          try didDraw(text, next)
        }
      }
    }
    return zip(texts, prompts).map { Array($0.dropFirst($1.count)) }
  }

  /// Of a prompt, how many tokens are read: all that the context has room for; of more, its last half with a cache, which
  /// then has room for others, and without a cache as much as it holds.
  public func readCount(ofPrompt count: Int, context: Int) -> Int {
    usesCache ? (count < context ? count : max(1, context / 2)) : min(count, context)
  }

  private func extend(
    _ texts: inout [[Int32]], by count: Int, endingAt end: Int32?, in session: any DecodingSession,
    of model: some LanguageModel, using generators: inout [RandomGenerator],
    _ didDraw: (_ text: Int, _ token: Int32) throws -> Void
  ) throws {
    let context = model.configuration.contextLength
    var unread = texts.map { Array($0.suffix(readCount(ofPrompt: $0.count, context: context))) }
    for _ in 0..<count {
      let logits = session.append(unread)
      for text in texts.indices where !unread[text].isEmpty {
        guard let next = try draw(from: logits[text], after: texts[text], endingAt: end, using: &generators[text])
        else {
          unread[text] = []
          continue
        }
        texts[text].append(next)
        try didDraw(text, next)
        unread[text] = [next]
        if session.positions[text] == context {
          session.restart(text)
          unread[text] = Array(texts[text].suffix(readCount(ofPrompt: texts[text].count, context: context)))
        }
      }
      if unread.allSatisfy(\.isEmpty) { break }
    }
  }

  /// The next token; nil for the end.
  private func draw(
    from logits: [Float], after tokens: [Int32], endingAt end: Int32?, using generator: inout RandomGenerator
  ) throws -> Int32? {
    let candidates = Array(logits.prefix(tokenCount ?? logits.count))
    let next = try sampler.draw(from: candidates, seen: tokens, using: &generator)
    return next == end ? nil : next
  }

  /// Computes all positions anew: those of a sliding window, or on a GPU those that a cache would hold.
  /// - Parameter start: the first of the tokens that are read; nil before the first time.
  private func logits(after tokens: [Int32], from model: some LanguageModel, _ start: inout Int?) -> [Float] {
    let context = model.configuration.contextLength
    var window = tokens.suffix(context)
    if usesCache, !model.device.isCPU {
      let isFull = start.map { tokens.count - $0 > context } ?? (tokens.count >= context)
      let first = isFull ? tokens.count - max(1, context / 2) : start ?? 0
      start = first
      window = tokens[first...]
    }
    return model.logits(for: Array(window), sequenceLength: window.count, on: Tape(recording: false)).value.lastRow
  }
}

extension Tensor {
  fileprivate var lastRow: [Float] {
    withElements { elements in
      (elements.count - shape.width..<elements.count).map { elements[$0] }
    }
  }
}
