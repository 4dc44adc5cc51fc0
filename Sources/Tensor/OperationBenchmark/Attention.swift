internal import CNanoKernels

extension OperationBenchmark {
  /// The heads of the character study and of the 10M pair of the stories study.
  private static let heads: [(length: Int, keyWidth: Int, valueWidth: Int)] = [
    (32, 16, 16), (256, 32, 32), (256, 48, 32),
  ]

  static func measureAttention() -> [Attention] {
    heads.flatMap { head in
      let speeds = [Precision.float32, .float32Split, .bfloat16].map {
        measure(length: head.length, keyWidth: head.keyWidth, valueWidth: head.valueWidth, $0)
      }
      return [("attention", speeds.map(\.forward)), ("attention backward", speeds.map(\.backward))].map {
        Attention(
          name: $0.0, length: head.length, keyWidth: head.keyWidth, valueWidth: head.valueWidth,
          own: $0.1[0], split: $0.1[1], bf16: $0.1[2])
      }
    }
  }

  /// GFLOP/s, counting pairs of a position and one not after it: two products of each forward, four backward.
  private static func measure(
    length: Int, keyWidth: Int, valueWidth: Int, _ precision: Precision
  ) -> (forward: Double, backward: Double) {
    var generator = RandomGenerator(seed: 3)
    func random(_ width: Int) -> Tensor {
      Tensor(uniformWithin: 1, shape: [length, width], using: &generator)
    }
    let (query, key, value) = (random(keyWidth), random(keyWidth), random(valueWidth))
    let gradient = random(valueWidth)
    var (queryGradient, keyGradient, valueGradient) = (query, key, value)
    let (dq, dk, dv) = (
      queryGradient.mutableElements, keyGradient.mutableElements, valueGradient.mutableElements
    )
    var output = value
    var probabilities = Tensor(uninitialized: [length, nk_attention_row_stride(length)])
    let (out, p) = (output.mutableElements, probabilities.mutableElements)
    var geometry = nk_attention(
      length: length, width: keyWidth, value_width: valueWidth, query_stride: keyWidth,
      key_stride: keyWidth, value_stride: valueWidth, output_stride: valueWidth, scale: 0.1,
      product: NanoTensor.kernels.product(in: precision), rounding: precision.operandRounding,
      format: NK_FP32)
    let kernels = NanoTensor.kernels
    let operations = Double(length * (length + 1) * (keyWidth + valueWidth)) * 1e-9
    let forward = secondsPerCall {
      _ = kernels.attention_probabilities(&geometry, query.elements, key.elements, p)
      kernels.attention_mix(&geometry, p, value.elements, out)
    }
    let backward = secondsPerCall {
      kernels.attention_backward(
        &geometry, query.elements, key.elements, value.elements, p, p, gradient.elements, dq, dk, dv)
    }
    return (operations / forward, 2 * operations / backward)
  }
}
