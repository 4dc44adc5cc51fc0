internal import CNanoKernels

// What decoding does to single rows.

extension Kernels {
  /// `y = g · x / √(mean(x²) + ε)` of one row.
  package func rmsNorm(
    _ x: UnsafePointer<Float>, gain: Tensor, epsilon: Float, into out: UnsafeMutablePointer<Float>
  ) {
    var reciprocal: Float = 0
    table.pointee.rms_norm(x, gain.elements, out, &reciprocal, 1, gain.elementCount, epsilon, NK_FP32)
  }

  /// `y = g · (x - mean) / √(variance + ε) + b` of one row.
  package func layerNorm(
    _ x: UnsafePointer<Float>, gain: Tensor, bias: Tensor, epsilon: Float, into out: UnsafeMutablePointer<Float>
  ) {
    var statistics: (mean: Float, reciprocal: Float) = (0, 0)
    withUnsafeMutableBytes(of: &statistics) {
      table.pointee.layer_norm(
        x, gain.elements, bias.elements, out, $0.baseAddress!.assumingMemoryBound(to: Float.self), 1,
        gain.elementCount, epsilon, NK_FP32)
    }
  }

  /// Softmax of the first scores; what follows them in whole tiles becomes zero.
  package func softmax(_ scores: UnsafeMutablePointer<Float>, positions: Int) {
    table.pointee.softmax(scores, scores, 1, positions)
    for position in positions..<PositionTiles.rounded(positions) { scores[position] = 0 }
  }

  /// The same of a few numbers.
  package func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) { table.pointee.softmax(x, x, 1, count) }

  package func sigmoid(_ x: UnsafeMutablePointer<Float>, count: Int) { table.pointee.sigmoid(x, x, count) }

  package func relu(_ x: UnsafeMutablePointer<Float>, count: Int) { table.pointee.relu(x, x, count, NK_FP32) }

  package func gelu(_ x: UnsafeMutablePointer<Float>, tanh: Bool, count: Int) {
    (tanh ? table.pointee.gelu_tanh : table.pointee.gelu)(x, x, count, NK_FP32)
  }

  package func square(_ x: UnsafeMutablePointer<Float>, count: Int) { table.pointee.multiply(x, x, x, count) }

  /// `gate · silu(u) · v` of one row `[u | v]`.
  package func gatedSwiGLU(
    _ x: UnsafePointer<Float>, gate: Float, width: Int, into out: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: gate) { table.pointee.gated_swiglu(x, $0, out, 1, width, NK_FP32) }
  }

  /// `out ← out + factor · x` from an element of x on.
  package func addScaled(
    _ x: Tensor, from start: Int, factor: Float, to out: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.pointee.add_scaled(x.elements + start, factor, out, count)
  }

  /// Row `index` of a table, or its sum with what is there.
  package func copyRow(
    _ index: Int, of source: Tensor, to out: UnsafeMutablePointer<Float>, adding: Bool = false
  ) {
    let (row, width) = (source.elements + index * source.shape.width, source.shape.width)
    if adding { table.pointee.add(out, row, out, width) } else { out.update(from: row, count: width) }
  }

  /// `out += factors ⊙ x`, with a row of factors.
  package func addProduct(
    _ x: UnsafePointer<Float>, row: Int, of factors: Tensor, to out: UnsafeMutablePointer<Float>
  ) {
    let (factor, width) = (factors.elements + row * factors.shape.width, factors.shape.width)
    for channel in 0..<width { out[channel] += factor[channel] * x[channel] }
  }

  /// `x ← g ⊙ x`
  package func multiply(_ x: UnsafeMutablePointer<Float>, by gain: Tensor) {
    table.pointee.multiply(x, gain.elements, x, gain.elementCount)
  }

  /// Turns the pairs of one row of channels by the angles of a position.
  package func rotate(
    _ channels: UnsafeMutablePointer<Float>, cosines: Tensor, sines: Tensor, position: Int, isInterleaved: Bool
  ) {
    let pairs = cosines.shape.width
    table.pointee.rotate(
      channels, cosines.elements + position * pairs, sines.elements + position * pairs, channels, pairs, isInterleaved,
      false, NK_FP32)
  }
}
