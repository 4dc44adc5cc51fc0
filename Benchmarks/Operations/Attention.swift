import CNanoKernels

extension OperationBenchmark {
  /// The heads of the character study and of the 10M pair of the stories study.
  private static let heads: [(length: Int, keyWidth: Int, valueWidth: Int)] = [
    (32, 16, 16), (256, 32, 32), (256, 48, 32),
  ]

  static func measureAttention(where isMeant: (String) -> Bool) -> [Attention] {
    let names = ["attention", "attention backward"].filter(isMeant)
    guard !names.isEmpty else { return [] }
    return heads.flatMap { head in
      let kernels = Self.table
      let speeds = [(kernels.gemm, NK_FP32), (kernels.gemm_split, NK_FP32), (kernels.gemm_bf16, NK_BF16)].map {
        measure(length: head.length, keyWidth: head.keyWidth, valueWidth: head.valueWidth, gemm: $0.0, rounding: $0.1)
      }
      return names.map { name in
        let speeds = speeds.map(name == "attention" ? \.forward : \.backward)
        return Attention(
          name: name, length: head.length, keyWidth: head.keyWidth, valueWidth: head.valueWidth, own: speeds[0],
          split: speeds[1], bf16: speeds[2])
      }
    }
  }

  /// GFLOP/s, counting pairs of a position and one not after it: two products of each forward, four backward.
  private static func measure(
    length: Int, keyWidth: Int, valueWidth: Int, gemm: (@convention(c) (UnsafePointer<nk_gemm>?) -> Void)?,
    rounding: nk_format
  ) -> (forward: Double, backward: Double) {
    func random(_ width: Int) -> Floats { Floats(random: length * width, seed: 3) }
    let (query, key, value) = (random(keyWidth), random(keyWidth), random(valueWidth))
    let (output, outputGradient) = (random(valueWidth), random(valueWidth))
    let (queryGradient, keyGradient, valueGradient) = (random(keyWidth), random(keyWidth), random(valueWidth))
    let probabilities = Floats(repeating: 0, count: length * nk_attention_row_stride(length))
    var geometry = nk_attention(
      length: length, width: keyWidth, value_width: valueWidth, query_stride: keyWidth, key_stride: keyWidth,
      value_stride: valueWidth, output_stride: valueWidth, scale: 0.1, gemm: gemm, rounding: rounding, format: NK_FP32)
    let (kernels, p) = (Self.table, probabilities.start)
    let forward = secondsPerCall {
      _ = kernels.attention_probabilities(&geometry, query.start, key.start, p)
      kernels.attention_mix(&geometry, p, value.start, output.start)
    }
    let backward = secondsPerCall {
      kernels.attention_backward(
        &geometry, query.start, key.start, value.start, p, p, outputGradient.start, queryGradient.start,
        keyGradient.start, valueGradient.start)
    }
    let operations = Double(length * (length + 1) * (keyWidth + valueWidth)) * 1e-9
    return withExtendedLifetime(probabilities) { (operations / forward, 2 * operations / backward) }
  }
}
