internal import CNanoKernels
internal import NanoTensor

// B sequences, T positions, H heads of width W, D = H·W.

/// Causal self-attention of every head: `softmax(scale · Q Kᵀ + mask) V`.
enum CausalAttentionOperation {
  struct Saved {
    /// Rows `[query | key | value]`, each D wide, head h at columns h·W of its third.
    let queryKeyValue: Tensor
    /// B·H·T rows, zero above the diagonal.
    let probabilities: Tensor
    let geometry: Geometry
  }

  struct Geometry {
    let sequenceCount, sequenceLength, headCount, headWidth: Int
    let scale: Float

    var width: Int { headCount * headWidth }
    var probabilityStride: Int { nk_attention_row_stride(sequenceLength) }
    var kernelGeometry: nk_attention {
      nk_attention(
        length: sequenceLength, width: headWidth, row_stride: 3 * width, output_row_stride: width,
        scale: scale)
    }

    /// Offsets of each sequence and head: into the input rows, the output rows, the probabilities.
    func forEachHead(_ body: (_ input: Int, _ output: Int, _ probabilities: Int) -> Void) {
      for sequence in 0..<sequenceCount {
        for head in 0..<headCount {
          body(
            sequence * sequenceLength * 3 * width + head * headWidth,
            sequence * sequenceLength * width + head * headWidth,
            (sequence * headCount + head) * sequenceLength * probabilityStride)
        }
      }
    }
  }

  static func forward(_ input: Tensor, _ geometry: Geometry) -> (output: Tensor, saved: Saved) {
    let width = geometry.width
    var output = Tensor(uninitialized: [input.shape.rowCount, width])
    var probabilities = Tensor(
      uninitialized: [
        geometry.sequenceCount, geometry.headCount, geometry.sequenceLength,
        geometry.probabilityStride,
      ])
    var kernelGeometry = geometry.kernelGeometry
    let (out, p) = (output.mutableElements, probabilities.mutableElements)
    geometry.forEachHead { inputOffset, outputOffset, probabilityOffset in
      let query = input.elements + inputOffset
      kernels.attention(
        &kernelGeometry, query, query + width, query + 2 * width, p + probabilityOffset,
        out + outputOffset)
    }
    return (output, Saved(queryKeyValue: input, probabilities: probabilities, geometry: geometry))
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    let (geometry, width) = (saved.geometry, saved.geometry.width)
    var result = Tensor(uninitialized: saved.queryKeyValue.shape)
    var kernelGeometry = geometry.kernelGeometry
    let destination = result.mutableElements
    geometry.forEachHead { inputOffset, outputOffset, probabilityOffset in
      let query = saved.queryKeyValue.elements + inputOffset
      let queryGradient = destination + inputOffset
      kernels.attention_backward(
        &kernelGeometry, query, query + width, query + 2 * width,
        saved.probabilities.elements + probabilityOffset, gradient.elements + outputOffset,
        queryGradient, queryGradient + width, queryGradient + 2 * width)
    }
    return result
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
  /// - Returns: one row a position, the heads' outputs side by side.
  /// - Complexity: O(B·T²·D) time; keeps B·H·T² probabilities for the backward pass.
  /// - SeeAlso: Vaswani et al., 2017, arXiv:1706.03762.
  public func causalAttention(sequenceLength: Int, headCount: Int, scale: Float) -> Variable {
    precondition(
      headCount > 0 && shape.width % (3 * headCount) == 0,
      "causalAttention: \(shape) for \(headCount) heads of query, key and value")
    precondition(
      sequenceLength > 0 && shape.rowCount % sequenceLength == 0,
      "causalAttention: \(shape) in sequences of \(sequenceLength)")
    let geometry = CausalAttentionOperation.Geometry(
      sequenceCount: shape.rowCount / sequenceLength, sequenceLength: sequenceLength,
      headCount: headCount, headWidth: shape.width / (3 * headCount), scale: scale)
    let (output, saved) = CausalAttentionOperation.forward(value, geometry)
    let node = node
    return tape.record(output, inputs: self) { gradient, slots in
      slots.accumulate(CausalAttentionOperation.backward(gradient, saved), into: node)
    }
  }
}
