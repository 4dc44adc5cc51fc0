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
    var (output, queryGradient, keyGradient, valueGradient) = (value, query, key, value)
    let head = CausalHead(
      length: length, keyWidth: keyWidth, valueWidth: valueWidth,
      strides: CausalHead.Strides(query: keyWidth, key: keyWidth, value: valueWidth, output: valueWidth), scale: 0.1,
      precision: precision, dtype: .float32)
    var probabilities = Tensor(uninitialized: [length, head.probabilityStride])
    let operations = Double(length * (length + 1) * (keyWidth + valueWidth)) * 1e-9
    let start = CausalHead.Offsets(query: 0, key: 0, value: 0, output: 0)
    let (q, k, v, dy) = (query.numbers, key.numbers, value.numbers, gradient.numbers)
    let forward = output.withMutableNumbers { output in
      secondsPerCall {
        _ = head.probabilities(query: q, key: k, at: start, into: &probabilities)
        head.mix(probabilities, value: v, at: start, into: output)
      }
    }
    let backward = queryGradient.withMutableNumbers { dq in
      keyGradient.withMutableNumbers { dk in
        valueGradient.withMutableNumbers { dv in
          secondsPerCall {
            head.backward(
              dy, query: q, key: k, value: v, at: start, probabilities: probabilities, into: (dq, dk, dv))
          }
        }
      }
    }
    return (operations / forward, 2 * operations / backward)
  }
}
