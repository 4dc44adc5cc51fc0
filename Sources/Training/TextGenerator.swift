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
  /// With a cache on the host they share the reading of weights, which takes most of the time.
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
    guard count > 0 else { return prompts.map { _ in [] } }
    let batch = TextBatch(of: model, placeCount: max(1, prompts.count), usesCache: usesCache, weights: weights)
    for (text, prompt) in prompts.enumerated() { batch.begin(prompt, at: text) }
    var made: [[Int32]] = prompts.map { _ in [] }
    while !batch.isEmpty {
      for (text, logits) in batch.logits() {
        let candidates = Array(logits.prefix(tokenCount ?? logits.count))
        let next = try sampler.draw(from: candidates, seen: batch.tokens(at: text), using: &generators[text])
        if next != end {
          made[text].append(next)
          try didDraw(text, next)
        }
        if next == end || made[text].count == count {
          batch.end(at: text)
        } else {
          batch.append(next, at: text)
        }
      }
    }
    return made
  }

  /// Of a prompt, how many tokens are read: all that the context has room for; of more, its last half with a cache, which
  /// then has room for others, and without a cache as much as it holds.
  public func readCount(ofPrompt count: Int, context: Int) -> Int {
    TextBatch.readCount(ofPrompt: count, context: context, usesCache: usesCache)
  }
}
