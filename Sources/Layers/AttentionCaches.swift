internal import Foundation
public import NanoAutograd
internal import NanoPreconditions
internal import NanoTensor

/// Attention that can continue a sequence one position at a time.
public protocol CachedAttention: Layer {
  associatedtype Cache: Sendable

  /// An empty cache for sequences of at most `contextLength` positions.
  func makeCache(contextLength: Int) -> Cache

  /// One more position, attending to itself and to what the cache holds.
  /// - Parameter input: one row.
  func decode(_ input: Variable, cache: inout Cache, in context: ForwardContext) -> Variable
}

extension DecoderBlock where Attention: CachedAttention {
  /// The block at one more position.
  public func decode(
    _ input: Variable, cache: inout Attention.Cache, in context: ForwardContext
  ) -> Variable {
    let attended =
      input + attention.decode(attentionNorm(input, in: context), cache: &cache, in: context)
    return attended + mixer(mixerNorm(attended, in: context), in: context)
  }
}

/// What latent attention keeps of the positions so far: the normalized latents and the rotated shared keys.
public struct LatentCache: Sendable {
  /// Rows × keyValueRank and rows × rotaryWidth; the rows double when they are full.
  private var latents, sharedKeys: Tensor
  private let contextLength: Int
  public private(set) var count = 0

  public init(_ configuration: LatentAttention.Configuration) {
    contextLength = configuration.contextLength
    latents = Tensor(zeros: [1, configuration.keyValueRank])
    sharedKeys = Tensor(zeros: [1, configuration.rotaryWidth])
  }

  mutating func append(latent: Tensor, sharedKey: Tensor) {
    checkPrecondition(count < contextLength, "LatentCache: more than \(contextLength) positions")
    latents.appendRow(count, latent)
    sharedKeys.appendRow(count, sharedKey)
    count += 1
  }

  var latentView: MatrixView { latents.matrix(rows: 0..<count) }
  var sharedKeyView: MatrixView { sharedKeys.matrix(rows: 0..<count) }
}

extension LatentAttention: CachedAttention {
  public func makeCache(contextLength: Int) -> LatentCache { LatentCache(configuration) }

  /// One more position, attending to itself and to what the cache holds, in the absorbed form: queries are
  /// taken into the latent space, `W_UKᵀ q_n`, and outputs out of it, so that keys and values of earlier
  /// positions are never made again.
  /// - Parameter input: one row.
  /// - Complexity: O(weights + heads · positions · keyValueRank).
  public func decode(
    _ input: Variable, cache: inout LatentCache, in context: ForwardContext
  ) -> Variable {
    let c = configuration
    let position = cache.count
    let compressed = keyValueDown(input, in: context)
    let latent = keyValueNorm(compressed.columns(0..<c.keyValueRank), in: context)
    var sharedKey = compressed.columns(c.keyValueRank..<c.keyValueRank + c.rotaryWidth).value
    rotary.rotate(
      &sharedKey, sequenceLength: 1, headWidth: c.rotaryWidth, offset: 0, firstPosition: position)
    cache.append(latent: latent.value, sharedKey: sharedKey)

    var query = queries(input, in: context).value
    rotary.rotate(
      &query, sequenceLength: 1, headWidth: c.keyWidth, offset: c.positionFreeWidth,
      firstPosition: position)
    var output = Tensor(zeros: [1, c.headCount * c.valueWidth])
    for head in 0..<c.headCount { attend(head, query, cache, &output) }
    return projection(context.tape.constant(output), in: context)
  }

  private func attend(_ head: Int, _ query: Tensor, _ cache: LatentCache, _ output: inout Tensor) {
    let c = configuration
    // The head's rows of W_kvb: keys without position, then values.
    let firstKey = head * (c.positionFreeWidth + c.valueWidth)
    let firstValue = firstKey + c.positionFreeWidth
    let weights = keyValueUp.weight.value
    let keyWeights = weights.matrix(rows: firstKey..<firstValue)
    let valueWeights = weights.matrix(rows: firstValue..<firstValue + c.valueWidth)
    // Of the head's query, the channels without position, then the rotated ones.
    let (first, rotated, end) = (
      head * c.keyWidth, head * c.keyWidth + c.positionFreeWidth, (head + 1) * c.keyWidth
    )

    let absorbed: Tensor = matmul(query.matrix(columns: first..<rotated), keyWeights)
    var scores = Tensor(uninitialized: [1, cache.count])
    matmul(absorbed.matrix, cache.latentView.transposed, into: &scores, scale: c.scale)
    matmul(
      query.matrix(columns: rotated..<end), cache.sharedKeyView.transposed, into: &scores, scale: c.scale,
      adding: .result(times: 1))
    let probabilities = scores.softmaxOfRow
    let mixed: Tensor = matmul(probabilities.matrix, cache.latentView)
    matmul(mixed.matrix, valueWeights.transposed, into: &output, from: head * c.valueWidth)
  }
}

/// What causal attention keeps of the positions so far: keys and values of all heads.
public struct KeyValueCache: Sendable {
  private var keys, values: Tensor
  private let contextLength: Int
  public private(set) var count = 0

  public init(width: Int, contextLength: Int) {
    self.contextLength = contextLength
    keys = Tensor(zeros: [1, width])
    values = Tensor(zeros: [1, width])
  }

  mutating func append(key: Tensor, value: Tensor) {
    checkPrecondition(count < contextLength, "KeyValueCache: more than \(contextLength) positions")
    keys.appendRow(count, key)
    values.appendRow(count, value)
    count += 1
  }

  /// The channels of one head, a row a position.
  func keys(channels: Range<Int>) -> MatrixView { view(keys, channels) }
  func values(channels: Range<Int>) -> MatrixView { view(values, channels) }

  private func view(_ tensor: Tensor, _ channels: Range<Int>) -> MatrixView {
    MatrixView(
      tensor.numbers.advanced(by: channels.lowerBound), rows: count, columns: channels.count,
      rowStride: tensor.shape.width)
  }
}

extension CausalSelfAttention: CachedAttention {
  public func makeCache(contextLength: Int) -> KeyValueCache {
    KeyValueCache(width: configuration.width, contextLength: contextLength)
  }

  public func decode(
    _ input: Variable, cache: inout KeyValueCache, in context: ForwardContext
  ) -> Variable {
    let (width, heads) = (configuration.width, configuration.headCount)
    let fused = queryKeyValue(input, in: context)
    cache.append(
      key: fused.columns(width..<2 * width).value, value: fused.columns(2 * width..<3 * width).value)
    let row = fused.value
    var output = Tensor(uninitialized: [1, width])
    for head in 0..<heads {
      let channels = head * width / heads..<(head + 1) * width / heads
      var scores = Tensor(uninitialized: [1, cache.count])
      matmul(
        row.matrix(columns: channels), cache.keys(channels: channels).transposed, into: &scores,
        scale: configuration.scale)
      let probabilities = scores.softmaxOfRow
      matmul(
        probabilities.matrix, cache.values(channels: channels), into: &output, from: channels.lowerBound)
    }
    return projection(context.tape.constant(output), in: context)
  }
}

extension Tensor {
  /// Writes the row at an index up to the row count, which doubles where the index has reached it.
  fileprivate mutating func appendRow(_ index: Int, _ row: Tensor) {
    if index == shape[0] {
      var longer = Tensor(zeros: [2 * index, shape.width])
      kernels.copyRows(of: self, to: &longer, at: 0)
      self = longer
    }
    kernels.copyRows(of: row, to: &self, at: index)
  }

  /// Softmax of all elements.
  fileprivate var softmaxOfRow: Tensor {
    let scores = scalars
    let highest = scores.max() ?? 0
    let exponentials = scores.map { exp($0 - highest) }
    let sum = exponentials.reduce(0, +)
    return Tensor(exponentials.map { $0 / sum }, shape: shape)
  }
}
