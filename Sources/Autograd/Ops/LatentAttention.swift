internal import NanoCUDA
internal import NanoPreconditions
public import NanoTensor

// N rows, H heads, Kn key channels without and Kr with position, W value channels.

/// Attention over keys that are part per head and without position, part shared and rotated.
enum LatentAttentionOperation {
  struct Geometry {
    let headCount, positionFreeWidth, rotaryWidth, valueWidth, sequenceLength: Int
    let scale: Float
    /// What the products of attention read.
    let precision: Precision
    /// Whether a backward pass may follow.
    let isRecorded: Bool

    /// Of operands, outputs and their gradients.
    var format: HalfTensor.Format? { precision.activationFormat }
    var keyWidth: Int { positionFreeWidth + rotaryWidth }
    /// Of one head in the rows of keys and values.
    var keyValueWidth: Int { positionFreeWidth + valueWidth }

    /// As kernels of rotary.cu are given them.
    var gpuExtents: [KernelArgument] {
      [sequenceLength, headCount, positionFreeWidth, rotaryWidth, valueWidth].map { .int($0) }
    }

    /// Whether kernels of rotary.cu may read four numbers at once.
    func areVectors(_ rotary: RotaryEmbedding) -> Bool {
      positionFreeWidth % 4 == 0 && valueWidth % 4 == 0 && rotary.turnsVectors
    }

    func attention(rows: Int) -> CausalAttentionOperation.Geometry {
      let keys = CausalAttentionOperation.Geometry.Layout(
        rowStride: headCount * keyWidth, headStep: keyWidth)
      return CausalAttentionOperation.Geometry(
        sequenceCount: rows / sequenceLength, sequenceLength: sequenceLength, headCount: headCount,
        keyWidth: keyWidth, valueWidth: valueWidth, query: keys, key: keys,
        value: .init(rowStride: headCount * keyValueWidth, headStep: keyValueWidth),
        output: .init(rowStride: headCount * valueWidth, headStep: valueWidth), scale: scale,
        precision: precision, isRecorded: isRecorded)
    }
  }

  struct Saved {
    /// Queries and keys as the products read them: N×H·(Kn + Kr), rotated.
    let query_NHK, key_NHK: Activation
    /// N×H·(Kn + W)
    let keyValue_NHK: Activation
    let attention: CausalAttentionOperation.Saved
    let rotary: RotaryEmbedding
    let geometry: Geometry
  }

  static func forward(
    query: Activation, keyValue: Activation, sharedKey: Activation, rotary: RotaryEmbedding,
    _ g: Geometry, observing: ((Tensor) -> Void)?
  ) -> (output: Activation, saved: Saved) {
    let rows = query.shape.rowCount
    let (rotatedQuery, key) = rotatedOperands(
      query: query, keyValue: keyValue, sharedKey: sharedKey, rotary: rotary, g)
    var output = Activation(
      uninitialized: [rows, g.headCount * g.valueWidth], format: g.format, on: query.gpu)
    let operands = CausalAttentionOperation.Operands(
      query: rotatedQuery.numbers, key: key.numbers,
      value: keyValue.numbers.advanced(by: g.positionFreeWidth))
    let attention = CausalAttentionOperation.forward(
      operands, into: &output, g.attention(rows: rows), observing: observing)
    let saved = Saved(
      query_NHK: rotatedQuery, key_NHK: key, keyValue_NHK: keyValue, attention: attention,
      rotary: rotary, geometry: g)
    return (output, saved)
  }

  /// Queries and keys as the products read them.
  private static func rotatedOperands(
    query: Activation, keyValue: Activation, sharedKey: Activation, rotary: RotaryEmbedding,
    _ g: Geometry
  ) -> (query: Activation, key: Activation) {
    if let gpu = query.gpu {
      var rotated = Activation(uninitialized: query.shape, format: g.format, on: gpu)
      var key = Activation(uninitialized: query.shape, format: g.format, on: gpu)
      let tables = rotary.tables(on: gpu)
      gpu.launch(
        Kernel("rotary", "latent_assemble"), blocks: query.shape.rowCount, threads: 128,
        [query.argument, keyValue.argument, sharedKey.argument, .output(&rotated), .output(&key)]
          + [query.numbers.formatArgument, sharedKey.numbers.formatArgument]
          + [tables.cosines.argument, tables.sines.argument] + g.gpuExtents
          + [.int(rotary.layout == .interleaved ? 1 : 0), .int(g.areVectors(rotary) ? 1 : 0)])
      return (rotated, key)
    }
    var rotated = query
    rotary.rotate(
      &rotated, sequenceLength: g.sequenceLength, headWidth: g.keyWidth, offset: g.positionFreeWidth)
    let key = assembledKeys(keyValue: keyValue, sharedKey: sharedKey.tensor, rotary: rotary, g)
    return (rotated, key)
  }

  /// Every head's own key channels, followed by the shared ones, rotated.
  private static func assembledKeys(
    keyValue: Activation, sharedKey: Tensor, rotary: RotaryEmbedding, _ g: Geometry
  ) -> Activation {
    var rotated = sharedKey
    rotary.rotate(
      &rotated, sequenceLength: g.sequenceLength, headWidth: g.rotaryWidth, offset: 0)
    let shared = Activation(rotated, format: g.format)
    let rows = sharedKey.shape.rowCount
    var key = Activation(uninitialized: [rows * g.headCount, g.keyWidth], format: g.format)
    kernels.copyColumns(
      g.positionFreeWidth, of: keyValue.reshaped([rows * g.headCount, g.keyValueWidth]), from: 0, to: &key, at: 0)
    kernels.copyColumns(g.rotaryWidth, of: shared, from: 0, to: &key, at: g.positionFreeWidth)
    return key.reshaped([rows, g.headCount * g.keyWidth])
  }

  static func backward(
    _ gradient: Activation, _ saved: Saved
  ) -> (query: Activation, keyValue: Activation, sharedKey: Tensor) {
    let g = saved.geometry
    let gradient = gradient.rounded(to: g.format)
    let rows = gradient.shape.rowCount
    let gpu = gradient.gpu
    var query = Activation(uninitialized: saved.query_NHK.shape, format: g.format, on: gpu)
    var key = Activation(uninitialized: saved.key_NHK.shape, format: g.format, on: gpu)
    var keyValue = Activation(uninitialized: saved.keyValue_NHK.shape, format: g.format, on: gpu)
    let operands = CausalAttentionOperation.Operands(
      query: saved.query_NHK.numbers, key: saved.key_NHK.numbers,
      value: saved.keyValue_NHK.numbers.advanced(by: g.positionFreeWidth))
    query.withMutableNumbers { query in
      key.withMutableNumbers { key in
        keyValue.withMutableNumbers { keyValue in
          CausalAttentionOperation.backward(
            gradient.numbers, operands, saved.attention,
            into: (query, key, keyValue.advanced(by: g.positionFreeWidth)), g.attention(rows: rows))
        }
      }
    }
    if let gpu {
      var sharedKey = Tensor(uninitialized: [rows, g.rotaryWidth], on: gpu)
      let rotary = saved.rotary
      let tables = rotary.tables(on: gpu)
      gpu.launch(
        Kernel("rotary", "latent_gradients"), blocks: rows, threads: 128,
        [.output(&query), key.argument, .output(&keyValue)]
          + [.output(&sharedKey), query.numbers.formatArgument, sharedKey.numbers.formatArgument]
          + [tables.cosines.argument, tables.sines.argument] + g.gpuExtents
          + [.int(rotary.layout == .interleaved ? 1 : 0), .int(g.areVectors(rotary) ? 1 : 0)])
      return (query, keyValue, sharedKey)
    }
    let heads = rows * g.headCount
    keyValue = keyValue.reshaped([heads, g.keyValueWidth])
    kernels.copyColumns(
      g.positionFreeWidth, of: key.reshaped([heads, g.keyWidth]), from: 0, to: &keyValue, at: 0)
    saved.rotary.rotate(
      &query, sequenceLength: g.sequenceLength, headWidth: g.keyWidth, offset: g.positionFreeWidth,
      inverse: true)
    return (query, keyValue.reshaped(saved.keyValue_NHK.shape), sharedKeyGradient(key, saved.rotary, g))
  }

  /// The gradients of all heads' shared channels added up, and turned back.
  private static func sharedKeyGradient(
    _ key: Activation, _ rotary: RotaryEmbedding, _ g: Geometry
  ) -> Tensor {
    let rows = key.shape.rowCount
    var sums = Tensor(zeros: [rows, g.keyWidth])
    kernels.addRowSums(of: key.reshaped([rows * g.headCount, g.keyWidth]), groupsOf: g.headCount, to: &sums)
    var shared = Tensor(uninitialized: [rows, g.rotaryWidth])
    kernels.copyColumns(g.rotaryWidth, of: sums, from: g.positionFreeWidth, to: &shared, at: 0)
    rotary.rotate(
      &shared, sequenceLength: g.sequenceLength, headWidth: g.rotaryWidth, offset: 0, inverse: true)
    return shared
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
  ///   - observing: is given the largest unmasked logit of each head, where the operands lie.
  /// - Returns: N×H·W; in half precision rounded to it.
  /// - SeeAlso: DeepSeek-AI, 2024, "DeepSeek-V2", arXiv:2405.04434.
  public func latentAttention(
    keyValue: Variable, sharedKey: Variable, rotary: RotaryEmbedding, headCount: Int,
    valueWidth: Int, sequenceLength: Int, scale: Float, observing: ((Tensor) -> Void)? = nil
  ) -> Variable {
    checkPrecondition(headCount > 0, "latentAttention: \(headCount) heads")
    let rotaryWidth = sharedKey.shape.width
    let geometry = LatentAttentionOperation.Geometry(
      headCount: headCount, positionFreeWidth: keyValue.shape.width / headCount - valueWidth,
      rotaryWidth: rotaryWidth, valueWidth: valueWidth, sequenceLength: sequenceLength, scale: scale,
      precision: tape.precision, isRecorded: tape.isRecording)
    checkPrecondition(
      sequenceLength > 0 && shape.rowCount % sequenceLength == 0
        && geometry.positionFreeWidth >= 0 && shape.width == headCount * geometry.keyWidth
        && keyValue.shape.width == headCount * geometry.keyValueWidth
        && keyValue.shape.rowCount == shape.rowCount && sharedKey.shape.rowCount == shape.rowCount
        && rotary.width == rotaryWidth && sequenceLength <= rotary.positionCount,
      "latentAttention: queries \(shape), keys and values \(keyValue.shape), shared key "
        + "\(sharedKey.shape), \(headCount) heads of value width \(valueWidth), sequences of "
        + "\(sequenceLength), rotation of \(rotary.width) channels at \(rotary.positionCount) positions")
    let (output, saved) = LatentAttentionOperation.forward(
      query: tape.operand(self), keyValue: tape.operand(keyValue), sharedKey: sharedKey.content,
      rotary: rotary, geometry, observing: observing)
    let nodes = (node, keyValue.node, sharedKey.node)
    return tape.record(output, inputs: [self, keyValue, sharedKey]) { gradient, slots in
      let gradients = LatentAttentionOperation.backward(gradient, saved)
      slots.accumulate(gradients.query, into: nodes.0)
      slots.accumulate(gradients.keyValue, into: nodes.1)
      slots.accumulate(gradients.sharedKey, into: nodes.2)
    }
  }
}
