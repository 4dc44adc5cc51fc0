internal import CNanoKernels
internal import NanoTensor

// N rows, H heads, Kn key channels without and Kr with position, W value channels.

/// Attention over keys that are part per head and without position, part shared and rotated.
enum LatentAttentionOperation {
  struct Geometry {
    let headCount, positionFreeWidth, rotaryWidth, valueWidth, sequenceLength: Int
    let scale: Float
    /// What the products of attention read.
    let precision: Precision

    var keyWidth: Int { positionFreeWidth + rotaryWidth }
    /// Of one head in the rows of keys and values.
    var keyValueWidth: Int { positionFreeWidth + valueWidth }

    func attention(rows: Int) -> CausalAttentionOperation.Geometry {
      let keys = CausalAttentionOperation.Geometry.Layout(
        rowStride: headCount * keyWidth, headStep: keyWidth)
      return CausalAttentionOperation.Geometry(
        sequenceCount: rows / sequenceLength, sequenceLength: sequenceLength, headCount: headCount,
        keyWidth: keyWidth, valueWidth: valueWidth, query: keys, key: keys,
        value: .init(rowStride: headCount * keyValueWidth, headStep: keyValueWidth),
        output: .init(rowStride: headCount * valueWidth, headStep: valueWidth), scale: scale,
        precision: precision)
    }
  }

  struct Saved {
    /// Queries and keys as the products read them: N×H·(Kn + Kr), rotated.
    let query_NHK, key_NHK: KeptTensor
    /// N×H·(Kn + W)
    let keyValue_NHK: KeptTensor
    let probabilities: Tensor?
    let rotary: RotaryEmbedding
    let geometry: Geometry
  }

  static func forward(
    query: Tensor, keyValue: Tensor, sharedKey: Tensor, rotary: RotaryEmbedding, _ g: Geometry,
    keep: (Tensor) -> KeptTensor
  ) -> (output: Tensor, saved: Saved, largestLogits: [Float]) {
    let rows = query.shape.rowCount
    var rotatedQuery = query
    rotary.rotate(
      &rotatedQuery, sequenceLength: g.sequenceLength, headWidth: g.keyWidth,
      offset: g.positionFreeWidth)
    let key = assembledKeys(keyValue: keyValue, sharedKey: sharedKey, rotary: rotary, g)
    var output = Tensor(uninitialized: [rows, g.headCount * g.valueWidth])
    let operands = CausalAttentionOperation.Operands(
      query: rotatedQuery.elements, key: key.elements,
      value: keyValue.elements + g.positionFreeWidth)
    let (probabilities, largest) = CausalAttentionOperation.forward(
      operands, into: output.mutableElements, g.attention(rows: rows))
    let saved = Saved(
      query_NHK: keep(rotatedQuery), key_NHK: keep(key), keyValue_NHK: keep(keyValue),
      probabilities: probabilities, rotary: rotary, geometry: g)
    return (output, saved, largest)
  }

  /// Every head's own key channels, followed by the shared ones, rotated.
  private static func assembledKeys(
    keyValue: Tensor, sharedKey: Tensor, rotary: RotaryEmbedding, _ g: Geometry
  ) -> Tensor {
    var shared = sharedKey
    rotary.rotate(
      &shared, sequenceLength: g.sequenceLength, headWidth: g.rotaryWidth, offset: 0)
    let rows = sharedKey.shape.rowCount
    var key = Tensor(uninitialized: [rows, g.headCount * g.keyWidth])
    let destination = key.mutableElements
    for row in 0..<rows {
      for head in 0..<g.headCount {
        let target = destination + (row * g.headCount + head) * g.keyWidth
        target.update(
          from: keyValue.elements + (row * g.headCount + head) * g.keyValueWidth,
          count: g.positionFreeWidth)
        (target + g.positionFreeWidth).update(
          from: shared.elements + row * g.rotaryWidth, count: g.rotaryWidth)
      }
    }
    return key
  }

  static func backward(
    _ gradient: Tensor, _ saved: Saved
  ) -> (query: Tensor, keyValue: Tensor, sharedKey: Tensor) {
    let g = saved.geometry
    let rows = gradient.shape.rowCount
    let (queries, keys, keysValues) = (
      saved.query_NHK.tensor, saved.key_NHK.tensor, saved.keyValue_NHK.tensor
    )
    var query = Tensor(uninitialized: queries.shape)
    var key = Tensor(uninitialized: keys.shape)
    var keyValue = Tensor(uninitialized: keysValues.shape)
    let destination = keyValue.mutableElements
    CausalAttentionOperation.backward(
      gradient.elements,
      CausalAttentionOperation.Operands(
        query: queries.elements, key: keys.elements,
        value: keysValues.elements + g.positionFreeWidth),
      probabilities: saved.probabilities,
      into: CausalAttentionOperation.Operands(
        query: query.mutableElements, key: key.mutableElements,
        value: destination + g.positionFreeWidth),
      g.attention(rows: rows))

    var shared = Tensor(zeros: [rows, g.rotaryWidth])
    let sum = shared.mutableElements
    for row in 0..<rows {
      for head in 0..<g.headCount {
        let source = key.elements + (row * g.headCount + head) * g.keyWidth
        (destination + (row * g.headCount + head) * g.keyValueWidth).update(
          from: source, count: g.positionFreeWidth)
        let target = sum + row * g.rotaryWidth
        for channel in 0..<g.rotaryWidth { target[channel] += source[g.positionFreeWidth + channel] }
      }
    }
    saved.rotary.rotate(
      &query, sequenceLength: g.sequenceLength, headWidth: g.keyWidth, offset: g.positionFreeWidth,
      inverse: true)
    saved.rotary.rotate(
      &shared, sequenceLength: g.sequenceLength, headWidth: g.rotaryWidth, offset: 0, inverse: true)
    return (query, keyValue, shared)
  }
}

extension Variable {
  /// The attention of multi-head latent attention: causal, over keys `[own | shared]`.
  ///
  /// `self` holds queries, per head `[Kn without position | Kr rotated]`. The logit of two positions is
  /// `scale · (q_n · k_n + R q_r · R k_r)`, with one k_r for all heads.
  /// - Parameters:
  ///   - keyValue: N×H·(Kn + W), per head the keys without position, then the values.
  ///   - sharedKey: N×Kr, before rotation.
  ///   - rotary: the rotation of the last Kr channels.
  ///   - headCount: H.
  ///   - valueWidth: W.
  ///   - sequenceLength: rows of one sequence.
  ///   - scale: factor on the logits, usually (Kn + Kr)^-½.
  ///   - observing: is given the largest unmasked logit of each head.
  /// - Returns: N×H·W.
  /// - SeeAlso: DeepSeek-AI, 2024, "DeepSeek-V2", arXiv:2405.04434.
  public func latentAttention(
    keyValue: Variable, sharedKey: Variable, rotary: RotaryEmbedding, headCount: Int,
    valueWidth: Int, sequenceLength: Int, scale: Float, observing: (([Float]) -> Void)? = nil
  ) -> Variable {
    let rotaryWidth = sharedKey.shape.width
    let geometry = LatentAttentionOperation.Geometry(
      headCount: headCount, positionFreeWidth: keyValue.shape.width / headCount - valueWidth,
      rotaryWidth: rotaryWidth, valueWidth: valueWidth, sequenceLength: sequenceLength, scale: scale,
      precision: tape.precision)
    precondition(
      headCount > 0 && sequenceLength > 0 && shape.rowCount % sequenceLength == 0
        && geometry.positionFreeWidth >= 0 && shape.width == headCount * geometry.keyWidth
        && keyValue.shape.width == headCount * geometry.keyValueWidth
        && keyValue.shape.rowCount == shape.rowCount && sharedKey.shape.rowCount == shape.rowCount
        && rotary.width == rotaryWidth && sequenceLength <= rotary.positionCount,
      "latentAttention: queries \(shape), keys and values \(keyValue.shape), shared key "
        + "\(sharedKey.shape), \(headCount) heads of value width \(valueWidth), sequences of "
        + "\(sequenceLength), rotation of \(rotary.width) channels at \(rotary.positionCount) positions")
    let (output, saved, largest) = LatentAttentionOperation.forward(
      query: value, keyValue: keyValue.value, sharedKey: sharedKey.value, rotary: rotary, geometry,
      keep: tape.keep)
    observing?(largest)
    let nodes = (node, keyValue.node, sharedKey.node)
    return tape.record(output, inputs: self, keyValue, sharedKey) { gradient, slots in
      let gradients = LatentAttentionOperation.backward(gradient, saved)
      slots.accumulate(gradients.query, into: nodes.0)
      slots.accumulate(gradients.keyValue, into: nodes.1)
      slots.accumulate(gradients.sharedKey, into: nodes.2)
    }
  }
}
