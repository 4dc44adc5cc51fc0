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
  /// A model with a cache computes one position a token; when its context is full, it starts again from the
  /// last half of it. On a GPU, where caches do not lie, it reads the same positions anew for each token: what is drawn
  /// from differs by rounding alone.
  /// - Parameters:
  ///   - prompt: at least one token.
  ///   - end: a token that ends the text early, and is not part of it; nil for none.
  ///   - didDraw: is given every token as it is drawn.
  /// - Returns: the new tokens.
  /// - Throws: ``NotFiniteLogits``, and what `didDraw` throws.
  @discardableResult
  public mutating func generate(
    _ count: Int, after prompt: [Int32], endingAt end: Int32? = nil, from model: some LanguageModel,
    didDraw: (Int32) throws -> Void
  ) throws -> [Int32] {
    checkPrecondition(!prompt.isEmpty, "generate: an empty prompt")
    var tokens = prompt
    var session = usesCache ? model.makeDecodingSession() : nil
    var start: Int?
    for _ in 0..<count {
      let logits =
        session != nil && !model.device.isCPU
        ? logitsOnGPU(after: tokens, from: model, &start) : nextLogits(after: tokens, from: model, &session)
      let candidates = Array(logits.prefix(tokenCount ?? logits.count))
      let next = try sampler.draw(from: candidates, seen: tokens, using: &generator)
      if next == end { break }
      tokens.append(next)
      try didDraw(next)
    }
    return Array(tokens.dropFirst(prompt.count))
  }

  /// The same without being told of every token.
  public mutating func generate(
    _ count: Int, after prompt: [Int32], endingAt end: Int32? = nil, from model: some LanguageModel
  ) throws -> [Int32] {
    try generate(count, after: prompt, endingAt: end, from: model) { _ in }
  }

  /// - Parameter start: the first of the tokens that are read; nil before the first time.
  private func logitsOnGPU(after tokens: [Int32], from model: some LanguageModel, _ start: inout Int?) -> [Float] {
    let context = model.configuration.contextLength
    let isFull = start.map { tokens.count - $0 > context } ?? (tokens.count >= context)
    let first = isFull ? tokens.count - max(1, context / 2) : start ?? 0
    start = first
    return model.logits(
      for: Array(tokens[first...]), sequenceLength: tokens.count - first, on: Tape(recording: false)
    ).value.lastRow
  }

  private func nextLogits(
    after tokens: [Int32], from model: some LanguageModel, _ session: inout (any DecodingSession)?
  ) -> [Float] {
    let context = model.configuration.contextLength
    guard var current = session else {
      let window = Array(tokens.suffix(context))
      return model.logits(for: window, sequenceLength: window.count, on: Tape(recording: false))
        .value.lastRow
    }
    session = nil  // so that the caches have one owner
    var pending = tokens.suffix(1)
    if current.position == context || current.position == 0 {
      if current.position > 0, let fresh = model.makeDecodingSession() { current = fresh }
      pending = tokens.count < context ? tokens[...] : tokens.suffix(max(1, context / 2))
    }
    var logits: [Float] = []
    for token in pending { logits = current.append(token) }
    session = current
    return logits
  }
}

extension Tensor {
  fileprivate var lastRow: [Float] {
    withElements { elements in
      (elements.count - shape.width..<elements.count).map { elements[$0] }
    }
  }
}
