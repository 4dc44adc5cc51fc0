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

  var latentView: MatrixView {
    MatrixView(latents.elements, rows: count, columns: latents.shape.width)
  }
  var sharedKeyView: MatrixView {
    MatrixView(sharedKeys.elements, rows: count, columns: sharedKeys.shape.width)
  }
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
    let rank = c.keyValueRank
    // The head's rows of W_kvb: keys without position, then values.
    let firstRow = head * (c.positionFreeWidth + c.valueWidth)
    let weights = keyValueUp.weight.value.elements + firstRow * rank
    let keyWeights = MatrixView(weights, rows: c.positionFreeWidth, columns: rank)
    let valueWeights = MatrixView(
      weights + c.positionFreeWidth * rank, rows: c.valueWidth, columns: rank)
    let queryRow = query.elements + head * c.keyWidth

    var absorbed = Tensor(uninitialized: [1, rank])
    multiply(
      MatrixView(queryRow, rows: 1, columns: c.positionFreeWidth), keyWeights,
      into: absorbed.mutableElements)
    var scores = Tensor(uninitialized: [1, cache.count])
    let s = scores.mutableElements
    multiply(absorbed.matrix, cache.latentView.transposed, into: s, scale: c.scale)
    multiply(
      MatrixView(queryRow + c.positionFreeWidth, rows: 1, columns: c.rotaryWidth),
      cache.sharedKeyView.transposed, into: s, scale: c.scale,
      adding: .matrix(s, rowStride: cache.count))
    let probabilities = scores.softmaxOfRow
    var mixed = Tensor(uninitialized: [1, rank])
    multiply(probabilities.matrix, cache.latentView, into: mixed.mutableElements)
    multiply(
      mixed.matrix, valueWeights.transposed, into: output.mutableElements + head * c.valueWidth)
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
      tensor.elements + channels.lowerBound, rows: count, columns: channels.count,
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
      let query = MatrixView(
        row.elements + channels.lowerBound, rows: 1, columns: channels.count)
      var scores = Tensor(uninitialized: [1, cache.count])
      multiply(
        query, cache.keys(channels: channels).transposed, into: scores.mutableElements,
        scale: configuration.scale)
      let probabilities = scores.softmaxOfRow
      multiply(
        probabilities.matrix, cache.values(channels: channels),
        into: output.mutableElements + channels.lowerBound)
    }
    return projection(context.tape.constant(output), in: context)
  }
}

extension Tensor {
  /// Writes the row at an index up to the row count, which doubles where the index has reached it.
  fileprivate mutating func appendRow(_ index: Int, _ row: Tensor) {
    let width = shape.width
    if index == shape[0] {
      var longer = Tensor(zeros: [2 * index, width])
      longer.mutableElements.update(from: elements, count: index * width)
      self = longer
    }
    (mutableElements + index * width).update(from: row.elements, count: width)
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
