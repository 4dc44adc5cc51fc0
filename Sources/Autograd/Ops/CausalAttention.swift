internal import CNanoKernels
internal import NanoPreconditions
public import NanoTensor

// B sequences, T positions, H heads of key width K and value width W.

/// Causal self-attention of every head: `softmax(scale · Q Kᵀ + mask) V`.
enum CausalAttentionOperation {
  struct Geometry {
    let sequenceCount, sequenceLength, headCount: Int
    /// Width of queries and keys, and of values and outputs, of one head.
    let keyWidth, valueWidth: Int
    let query, key, value, output: Layout
    let scale: Float
    /// What all products read.
    let precision: Precision
    /// Of operands, outputs and their gradients.
    var format: HalfTensor.Format? { precision.activationFormat }
    /// The masks of the probabilities; nil for no dropout.
    var dropout: DropoutMasks?

    /// Where the rows of an operand lie: numbers from one position to the next and from head to head.
    struct Layout {
      let rowStride, headStep: Int
    }

    /// Up to this length the probabilities are kept for the backward pass; beyond, they would outgrow
    /// everything else on the tape and are computed again, one head at a time.
    static let longestKept = 64

    var keepsProbabilities: Bool { sequenceLength <= Geometry.longestKept }

    /// Heads of all sequences. Pairs are numbered with the heads of a sequence one after another.
    var pairCount: Int { sequenceCount * headCount }

    /// Of one pair.
    var probabilityCount: Int { sequenceLength * nk_attention_row_stride(sequenceLength) }

    var kernelGeometry: nk_attention {
      nk_attention(
        length: sequenceLength, width: keyWidth, value_width: valueWidth,
        query_stride: query.rowStride, key_stride: key.rowStride, value_stride: value.rowStride,
        output_stride: output.rowStride, scale: scale, product: kernels.product(in: precision),
        rounding: precision.operandRounding, format: precision.operandRounding)
    }

    /// The probabilities of one pair as they are mixed: themselves, or times their mask in `scratch`.
    func mixed(
      _ probabilities: UnsafePointer<Float>, pair: Int, scratch: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
      guard let dropout else { return probabilities }
      dropout.apply(
        to: probabilities, into: scratch, sequence: pair / headCount, head: pair % headCount,
        length: sequenceLength, rowStride: nk_attention_row_stride(sequenceLength))
      return UnsafePointer(scratch)
    }

    /// Where the rows of a pair begin.
    func start(_ numbers: Numbers, _ layout: Layout, pair: Int) -> UnsafeMutableRawPointer {
      let (sequence, head) = pair.quotientAndRemainder(dividingBy: headCount)
      let offset = sequence * sequenceLength * layout.rowStride + head * layout.headStep
      return numbers.advanced(by: offset).start
    }
  }

  struct Operands {
    let query, key, value: Numbers
  }

  /// What the backward pass needs beside the operands.
  enum Saved {
    /// Those of all heads, if they are kept.
    case probabilities(Tensor?)
    /// On a GPU, which makes probabilities again: the output, and of each row the log-sum-exp of its logits.
    case rows(output: Activation, logSums: Tensor)
  }

  /// - Parameter observing: is given the largest logit of each head.
  static func forward(
    _ operands: Operands, into output: Activation, _ geometry: Geometry, observing: ((Tensor) -> Void)?
  ) -> Saved {
    if let gpu = output.gpu {
      let (logSums, largest) = GPUCausalAttention(geometry, on: gpu).forward(
        operands, into: output.numbers, wantsLargestLogits: observing != nil)
      if let largest { observing?(largest) }
      return .rows(output: output, logSums: logSums)
    }
    let (probabilities, largest) = forward(operands, into: output.numbers, geometry)
    observing?(largest)
    return .probabilities(probabilities)
  }

  /// Writes the gradients of all operands.
  static func backward(
    _ gradient: Numbers, _ operands: Operands, _ saved: Saved, into gradients: Operands, _ geometry: Geometry
  ) {
    switch saved {
    case .probabilities(let probabilities):
      backward(gradient, operands, probabilities: probabilities, into: gradients, geometry)
    case .rows(let output, let logSums):
      guard let gpu = gradient.gpu else { return }
      GPUCausalAttention(geometry, on: gpu).backward(
        gradient, operands, output: output.numbers, logSums: logSums, into: gradients)
    }
  }

  /// - Returns: the probabilities of all heads if they are kept, and the largest logit of each head.
  private static func forward(
    _ operands: Operands, into output: Numbers, _ geometry: Geometry
  ) -> (probabilities: Tensor?, largestLogits: Tensor) {
    let count = geometry.probabilityCount
    let keptCount = geometry.keepsProbabilities ? geometry.pairCount : 1
    var probabilities = Tensor(uninitialized: [keptCount, count])
    let start = probabilities.mutableElements
    var largestLogits = Tensor(repeating: -.infinity, shape: [geometry.headCount])
    let largest = largestLogits.mutableElements
    var kernelGeometry = geometry.kernelGeometry
    var dropped = Tensor(uninitialized: [geometry.dropout == nil ? 0 : count])
    let droppedScratch = dropped.mutableElements
    for pair in 0..<geometry.pairCount {
      let p = geometry.keepsProbabilities ? start + pair * count : start
      let highest = kernels.attention_probabilities(
        &kernelGeometry, geometry.start(operands.query, geometry.query, pair: pair),
        geometry.start(operands.key, geometry.key, pair: pair), p)
      let head = pair % geometry.headCount
      largest[head] = max(largest[head], highest)
      kernels.attention_mix(
        &kernelGeometry, geometry.mixed(p, pair: pair, scratch: droppedScratch),
        geometry.start(operands.value, geometry.value, pair: pair),
        geometry.start(output, geometry.output, pair: pair))
    }
    return (geometry.keepsProbabilities ? probabilities : nil, largestLogits)
  }

  private static func backward(
    _ gradient: Numbers, _ operands: Operands, probabilities: Tensor?, into gradients: Operands,
    _ geometry: Geometry
  ) {
    let count = geometry.probabilityCount
    var kernelGeometry = geometry.kernelGeometry
    var recomputed = Tensor(uninitialized: [probabilities == nil ? count : 0])
    let scratch = recomputed.mutableElements
    var dropped = Tensor(uninitialized: [geometry.dropout == nil ? 0 : count])
    let droppedScratch = dropped.mutableElements
    for pair in 0..<geometry.pairCount {
      let query = geometry.start(operands.query, geometry.query, pair: pair)
      let key = geometry.start(operands.key, geometry.key, pair: pair)
      var p = UnsafePointer(scratch)
      if let probabilities {
        p = probabilities.elements + pair * count
      } else {
        _ = kernels.attention_probabilities(&kernelGeometry, query, key, scratch)
      }
      kernels.attention_backward(
        &kernelGeometry, query, key, geometry.start(operands.value, geometry.value, pair: pair), p,
        geometry.mixed(p, pair: pair, scratch: droppedScratch),
        geometry.start(gradient, geometry.output, pair: pair),
        geometry.start(gradients.query, geometry.query, pair: pair),
        geometry.start(gradients.key, geometry.key, pair: pair),
        geometry.start(gradients.value, geometry.value, pair: pair))
    }
  }

  /// Queries, keys and values side by side in rows `[query | key | value]`.
  static func fusedGeometry(
    rows: Int, width: Int, sequenceLength: Int, headCount: Int, scale: Float,
    precision: Precision, dropout: DropoutMasks?
  ) -> Geometry {
    let headWidth = width / headCount
    let input = Geometry.Layout(rowStride: 3 * width, headStep: headWidth)
    return Geometry(
      sequenceCount: rows / sequenceLength, sequenceLength: sequenceLength, headCount: headCount,
      keyWidth: headWidth, valueWidth: headWidth, query: input, key: input, value: input,
      output: Geometry.Layout(rowStride: width, headStep: headWidth), scale: scale,
      precision: precision, dropout: dropout)
  }
}

extension Variable {
  /// Multi-head causal self-attention of rows `[query | key | value]`.
  ///
  /// Per head `softmax(scale · Q Kᵀ) V`, each position attending to itself and what is before it.
  /// - Parameters:
  ///   - sequenceLength: rows of one sequence; the rows of all sequences lie one after another.
  ///   - headCount: heads; head h uses the h-th slice of each third.
  ///   - scale: factor on the logits.
  ///   - dropout: the masks of the probabilities; nil for no dropout.
  ///   - observing: is given the largest unmasked logit of each head, where the operands lie.
  /// - Returns: one row a position, the heads' outputs side by side; in half precision rounded to it.
  /// - Complexity: O(B·T²·D) time; for short sequences keeps B·H·T² probabilities for the backward pass,
  ///   for long ones computes them again.
  /// - SeeAlso: Vaswani et al., 2017, arXiv:1706.03762.
  public func causalAttention(
    sequenceLength: Int, headCount: Int, scale: Float, dropout: DropoutMasks? = nil,
    observing: ((Tensor) -> Void)? = nil
  ) -> Variable {
    checkPrecondition(
      sequenceLength > 0 && shape.rowCount % sequenceLength == 0 && headCount > 0
        && shape.width % (3 * headCount) == 0,
      "causalAttention: \(shape), sequences of \(sequenceLength), \(headCount) heads")
    let width = shape.width / 3
    let geometry = CausalAttentionOperation.fusedGeometry(
      rows: shape.rowCount, width: width, sequenceLength: sequenceLength, headCount: headCount,
      scale: scale, precision: tape.precision, dropout: dropout)
    func operands(_ fused: Activation) -> CausalAttentionOperation.Operands {
      let query = fused.numbers
      return CausalAttentionOperation.Operands(
        query: query, key: query.advanced(by: width), value: query.advanced(by: 2 * width))
    }
    let (node, input) = (node, tape.operand(self))
    let output = Activation(
      uninitialized: [shape.rowCount, width], format: geometry.format, on: input.gpu)
    let saved = CausalAttentionOperation.forward(
      operands(input), into: output, geometry, observing: observing)
    return tape.record(output, inputs: [self]) { gradient, slots in
      let gradient = gradient.rounded(to: geometry.format)
      let result = Activation(
        uninitialized: input.shape, format: geometry.format, on: input.gpu)
      CausalAttentionOperation.backward(
        gradient.numbers, operands(input), saved, into: operands(result), geometry)
      slots.accumulate(result, into: node)
    }
  }
}
