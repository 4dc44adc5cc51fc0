internal import NanoAutograd
public import NanoModels
internal import NanoPreconditions
public import NanoTensor

/// Texts that one model continues side by side; between two steps others may join, and some leave.
///
/// Every text's logits are those that it would have alone. With a cache on the host the texts share the reading of weights,
/// which takes most of the time; else they are computed one after another.
public final class TextBatch {
  private struct Text {
    var tokens: [Int32]
    /// The last tokens, which the model has yet to read.
    var unread: ArraySlice<Int32>
    /// On a GPU, the first of the tokens that are read; nil before the first time.
    var start: Int?
  }

  /// Tokens that are read of a text in a step, so that a long prompt does not hold up the others.
  private static let longestRead = 256

  private let model: any LanguageModel
  private let usesCache: Bool
  private let session: (any DecodingSession)?
  private var texts: [Text?]

  /// - Parameters:
  ///   - placeCount: how many texts are continued at once, at most.
  ///   - usesCache: as ``TextGenerator/usesCache``.
  ///   - weights: how weights lie in memory, where a cache is used on the host.
  public init(
    of model: any LanguageModel, placeCount: Int, usesCache: Bool = true, weights: WeightFormat = .float32
  ) {
    self.model = model
    self.usesCache = usesCache
    session =
      usesCache && model.device.isCPU
      ? model.makeDecodingSession(DecodingOptions(textCount: placeCount, weights: weights)) : nil
    texts = Array(repeating: nil, count: placeCount)
  }

  /// Whether no place is taken.
  public var isEmpty: Bool { texts.allSatisfy { $0 == nil } }

  /// A place that a text can begin at; nil where all are taken.
  public var freePlace: Int? { texts.firstIndex { $0 == nil } }

  /// The text at a place: the prompt and what was added to it.
  public func tokens(at place: Int) -> [Int32] { texts[place]?.tokens ?? [] }

  /// Begins a text at a free place.
  /// - Parameter prompt: at least one token; of a long one the last are read, see
  ///   ``TextGenerator/readCount(ofPrompt:context:)``.
  public func begin(_ prompt: [Int32], at place: Int) {
    checkPrecondition(!prompt.isEmpty && texts[place] == nil, "begin: a prompt of \(prompt.count) at place \(place)")
    texts[place] = Text(tokens: prompt, unread: window(of: prompt))
    session?.restart(place)
  }

  /// Frees a place.
  public func end(at place: Int) { texts[place] = nil }

  /// Adds the next token to a text. Where its context is full, it starts again from the last half of it.
  public func append(_ token: Int32, at place: Int) {
    checkPrecondition(texts[place] != nil, "append: no text at place \(place)")
    texts[place]!.tokens.append(token)
    if session?.positions[place] == model.configuration.contextLength {
      session?.restart(place)
      texts[place]!.unread = window(of: texts[place]!.tokens)
    } else {
      texts[place]!.unread = [token]
    }
  }

  /// Reads on, and returns the logits of the next token for each text that is read to its end.
  public func logits() -> [(place: Int, logits: [Float])] {
    guard let session else {
      return texts.indices.compactMap { place in texts[place] == nil ? nil : (place, computedLogits(at: place)) }
    }
    let read = texts.map { Array($0?.unread.prefix(Self.longestRead) ?? []) }
    let logits = session.append(read)
    return texts.indices.compactMap { place in
      guard !read[place].isEmpty else { return nil }
      texts[place]!.unread.removeFirst(read[place].count)
      return texts[place]!.unread.isEmpty ? (place, logits[place]) : nil
    }
  }

  private func window(of tokens: [Int32]) -> ArraySlice<Int32> {
    tokens.suffix(
      Self.readCount(ofPrompt: tokens.count, context: model.configuration.contextLength, usesCache: usesCache))
  }

  static func readCount(ofPrompt count: Int, context: Int, usesCache: Bool) -> Int {
    usesCache ? (count < context ? count : max(1, context / 2)) : min(count, context)
  }

  /// Computes all positions anew: those of a sliding window, or on a GPU those that a cache would hold.
  private func computedLogits(at place: Int) -> [Float] {
    let (tokens, context) = (texts[place]!.tokens, model.configuration.contextLength)
    var window = tokens.suffix(context)
    if usesCache, !model.device.isCPU {
      let start = texts[place]!.start
      let isFull = start.map { tokens.count - $0 > context } ?? (tokens.count >= context)
      let first = isFull ? tokens.count - max(1, context / 2) : start ?? 0
      texts[place]!.start = first
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
