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

    /// Whether a backward pass may follow.
    let isRecorded: Bool

    /// Up to this length the probabilities are kept for the backward pass; beyond, they would outgrow
    /// everything else on the tape and are computed again, one head at a time.
    static let longestKept = 64

    var keepsProbabilities: Bool { isRecorded && sequenceLength <= Geometry.longestKept }

    /// Heads of all sequences. Pairs are numbered with the heads of a sequence one after another.
    var pairCount: Int { sequenceCount * headCount }

    /// One head as kernels of the host work on it.
    var head: CausalHead {
      CausalHead(
        length: sequenceLength, keyWidth: keyWidth, valueWidth: valueWidth,
        strides: CausalHead.Distances(
          query: query.rowStride, key: key.rowStride, value: value.rowStride, output: output.rowStride),
        scale: scale, precision: precision)
    }

    /// The probabilities of one pair times their mask, which are written to `room`; themselves if there is no dropout.
    func dropped(_ probabilities: Numbers, pair: Int, in room: MutableNumbers) -> Numbers {
      guard let dropout else { return probabilities }
      dropout.apply(
        to: probabilities, into: room, sequence: pair / headCount, head: pair % headCount, length: sequenceLength,
        rowStride: head.probabilityStride)
      return room.numbers
    }

    /// Pairs that a thread takes at a time where threads share an operation.
    var pairsPerPart: Int { max(1, (1 << 14) / (sequenceLength * sequenceLength)) }

    /// Runs `body` for every pair, with where its probabilities go that are not kept and where those are dropped. Threads
    /// may share the pairs.
    func forEachPair(
      keepsProbabilities: Bool,
      _ body: (_ pair: Int, _ probabilities: MutableNumbers, _ dropped: MutableNumbers) -> Void
    ) {
      SharedWork.forEachPart(of: pairCount, size: pairsPerPart) { pairs in
        var probabilities = CausalAttentionOperation.uninitializedProbabilities(keepsProbabilities ? 0 : 1, of: head)
        var dropped = CausalAttentionOperation.uninitializedProbabilities(dropout == nil ? 0 : 1, of: head)
        probabilities.withMutableNumbers { probabilities in
          dropped.withMutableNumbers { dropped in
            for pair in pairs { body(pair, probabilities, dropped) }
          }
        }
      }
    }

    /// Where the rows of a pair begin.
    func offsets(ofPair pair: Int) -> CausalHead.Distances {
      let (sequence, head) = pair.quotientAndRemainder(dividingBy: headCount)
      func start(_ layout: Layout) -> Int {
        sequence * sequenceLength * layout.rowStride + head * layout.headStep
      }
      return CausalHead.Distances(query: start(query), key: start(key), value: start(value), output: start(output))
    }
  }

  struct Operands {
    let query, key, value: Numbers
  }

  /// Where gradients of the operands go.
  typealias Gradients = (query: MutableNumbers, key: MutableNumbers, value: MutableNumbers)

  /// What the backward pass needs beside the operands.
  enum Saved {
    /// Those of all heads, if they are kept.
    case probabilities(Tensor?)
    /// On a GPU, which makes probabilities again: the output, and of each row the log-sum-exp of its logits.
    case rows(output: Activation, logSums: Tensor)
  }

  /// - Parameter observing: is given the largest logit of each head.
  static func forward(
    _ operands: Operands, into output: inout Activation, _ geometry: Geometry, observing: ((Tensor) -> Void)?
  ) -> Saved {
    if let gpu = output.gpu {
      let (logSums, largest) = output.withMutableNumbers {
        GPUCausalAttention(geometry, on: gpu).forward(operands, into: $0, wantsLargestLogits: observing != nil)
      }
      if let largest { observing?(largest) }
      return .rows(output: output, logSums: logSums)
    }
    let (probabilities, largest) = output.withMutableNumbers { forward(operands, into: $0, geometry) }
    observing?(largest)
    return .probabilities(probabilities)
  }

  /// Writes the gradients of all operands.
  static func backward(
    _ gradient: Numbers, _ operands: Operands, _ saved: Saved, into gradients: Gradients, _ geometry: Geometry
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

  /// Room for the probabilities of so many heads.
  fileprivate static func uninitializedProbabilities(_ count: Int, of head: CausalHead) -> Tensor {
    // Of long sequences they are more than an extent can count.
    Tensor(uninitialized: [count, head.probabilityCount / head.probabilityStride, head.probabilityStride])
  }

  /// - Returns: the probabilities of all heads if they are kept, and the largest logit of each head.
  private static func forward(
    _ operands: Operands, into output: MutableNumbers, _ geometry: Geometry
  ) -> (probabilities: Tensor?, largestLogits: Tensor) {
    let (head, keeps) = (geometry.head, geometry.keepsProbabilities)
    var kept = uninitializedProbabilities(keeps ? geometry.pairCount : 0, of: head)
    var highest = [Float](repeating: -.infinity, count: geometry.pairCount)
    kept.withMutableNumbers { kept in
      highest.withUnsafeMutableBufferPointer { highest in
        geometry.forEachPair(keepsProbabilities: keeps) { pair, own, dropped in
          let offsets = geometry.offsets(ofPair: pair)
          let probabilities = keeps ? kept.advanced(by: pair * head.probabilityCount) : own
          highest[pair] = head.probabilities(
            query: operands.query, key: operands.key, at: offsets, into: probabilities)
          head.mix(
            geometry.dropped(probabilities.numbers, pair: pair, in: dropped), value: operands.value, at: offsets,
            into: output)
        }
      }
    }
    var largest = [Float](repeating: -.infinity, count: geometry.headCount)
    for (pair, logit) in highest.enumerated() {
      largest[pair % geometry.headCount] = max(largest[pair % geometry.headCount], logit)
    }
    return (keeps ? kept : nil, Tensor(largest, shape: [geometry.headCount]))
  }

  private static func backward(
    _ gradient: Numbers, _ operands: Operands, probabilities: Tensor?, into gradients: Gradients, _ geometry: Geometry
  ) {
    let head = geometry.head
    geometry.forEachPair(keepsProbabilities: probabilities != nil) { pair, recomputed, dropped in
      let offsets = geometry.offsets(ofPair: pair)
      if probabilities == nil {
        _ = head.probabilities(query: operands.query, key: operands.key, at: offsets, into: recomputed)
      }
      let p = probabilities?.numbers.advanced(by: pair * head.probabilityCount) ?? recomputed.numbers
      head.backward(
        gradient, query: operands.query, key: operands.key, value: operands.value, at: offsets, probabilities: p,
        dropped: geometry.dropped(p, pair: pair, in: dropped), into: gradients)
    }
  }

  /// Queries, keys and values side by side in rows `[query | key | value]`.
  static func fusedGeometry(
    rows: Int, width: Int, sequenceLength: Int, headCount: Int, scale: Float,
    precision: Precision, dropout: DropoutMasks?, isRecorded: Bool
  ) -> Geometry {
    let headWidth = width / headCount
    let input = Geometry.Layout(rowStride: 3 * width, headStep: headWidth)
    return Geometry(
      sequenceCount: rows / sequenceLength, sequenceLength: sequenceLength, headCount: headCount,
      keyWidth: headWidth, valueWidth: headWidth, query: input, key: input, value: input,
      output: Geometry.Layout(rowStride: width, headStep: headWidth), scale: scale,
      precision: precision, dropout: dropout, isRecorded: isRecorded)
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
      scale: scale, precision: tape.precision, dropout: dropout, isRecorded: tape.isRecording)
    func operands(_ fused: Activation) -> CausalAttentionOperation.Operands {
      let query = fused.numbers
      return CausalAttentionOperation.Operands(
        query: query, key: query.advanced(by: width), value: query.advanced(by: 2 * width))
    }
    let (node, input) = (node, tape.operand(self))
    var output = Activation(
      uninitialized: [shape.rowCount, width], format: geometry.format, on: input.gpu)
    let saved = CausalAttentionOperation.forward(
      operands(input), into: &output, geometry, observing: observing)
    return tape.record(output, inputs: [self]) { gradient, slots in
      let gradient = gradient.rounded(to: geometry.format)
      var result = Activation(
        uninitialized: input.shape, format: geometry.format, on: input.gpu)
      result.withMutableNumbers {
        CausalAttentionOperation.backward(
          gradient.numbers, operands(input), saved,
          into: ($0, $0.advanced(by: width), $0.advanced(by: 2 * width)), geometry)
      }
      slots.accumulate(result, into: node)
    }
  }
}
