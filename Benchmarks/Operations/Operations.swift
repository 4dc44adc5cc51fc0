import CNanoKernels

extension OperationBenchmark {
  /// Floats an operation works on: 256 KB, the size of an activation of the study.
  static let elementCount = 65_536

  static func measureOperations(where isMeant: (String) -> Bool) -> [Operation] {
    let (n, width) = (elementCount, 64)
    let (random, other) = (Floats(random: n, seed: 2), Floats(random: n, seed: 3))
    let ones = Floats(repeating: 1, count: width)
    let (result, statistics) = (Floats(repeating: 0, count: 2 * n), Floats(repeating: 0, count: 2 * n / width))
    let (gain, bias) = (Floats(repeating: 0, count: width), Floats(repeating: 0, count: width))
    let (first, second) = (Floats(repeating: 0, count: n), Floats(repeating: 0, count: n))
    let (x, y, row, out, stats) = (random.start, other.start, ones.start, result.start, statistics.start)
    let (gainOut, biasOut, m, v) = (gain.start, bias.start, first.start, second.start)
    let targets = [Int32](repeating: 1, count: n / width)
    var adamw = nk_adamw(
      beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 1, step_size: 1e-9,
      inverse_root_correction: 1, gradient_factor: 1)
    let kernels = Self.table
    let rows = n / width
    // Arrays of n floats read and written.
    let cases: [(name: String, arrays: Double, body: () -> Void)] = [
      ("add", 3, { kernels.add(x, y, out, n) }),
      ("ReLU", 2, { kernels.relu(x, out, n, NK_FP32) }),
      ("ReLU backward", 3, { kernels.relu_backward(x, y, out, n, NK_FP32) }),
      ("SiLU", 2, { kernels.silu(x, out, n) }),
      ("SiLU backward", 3, { kernels.silu_backward(x, y, out, n) }),
      ("GELU", 2, { kernels.gelu(x, out, n, NK_FP32) }),
      (
        "GELU backward", 3,
        { kernels.gelu_backward(x, y, out, nil, n, NK_FP32) }
      ),
      ("sigmoid", 2, { kernels.sigmoid(x, out, n) }),
      ("SwiGLU", 1.5, { kernels.swiglu(x, out, rows / 2, width, NK_FP32) }),
      (
        "SwiGLU backward", 2.5,
        { kernels.swiglu_backward(x, y, out, nil, rows / 2, width, NK_FP32) }
      ),
      (
        "SwiGLU times gates", 1.5,
        { kernels.gated_swiglu(x, y, out, rows / 2, width, NK_FP32) }
      ),
      (
        "SwiGLU times gates backward", 3,
        {
          kernels.gated_swiglu_backward(
            x, y, y, out, stats, m, rows / 2, width, NK_FP32)
        }
      ),
      ("softmax, rows of 64", 2, { kernels.softmax(x, out, rows, width) }),
      (
        "softmax backward, rows of 64", 3,
        { kernels.softmax_backward(x, y, out, rows, width) }
      ),
      (
        "cross-entropy, rows of 64", 2,
        { _ = kernels.cross_entropy(x, targets, out, rows, width, NK_FP32) }
      ),
      (
        "layer norm, rows of 64", 2,
        {
          kernels.layer_norm(
            x, row, row, out, stats, rows, width, 1e-5, NK_FP32)
        }
      ),
      (
        "layer norm backward, rows of 64", 3,
        {
          kernels.layer_norm_backward(
            x, row, stats, y, out, gainOut, biasOut, rows, width,
            NK_FP32, NK_FP32)
        }
      ),
      (
        "RMS norm, rows of 64", 2,
        { kernels.rms_norm(x, row, out, stats, rows, width, 1e-6, NK_FP32) }
      ),
      (
        "RMS norm backward, rows of 64", 3,
        {
          kernels.rms_norm_backward(
            x, row, stats, y, out, gainOut, rows, width, NK_FP32,
            NK_FP32)
        }
      ),
      (
        "rotation, rows of 64", 2,
        {
          for i in stride(from: 0, to: n, by: width) {
            kernels.rotate(
              x + i, row, row, out + i, width / 2, true, false,
              NK_FP32)
          }
        }
      ),
      ("transpose, rows of 64", 2, { kernels.transpose(x, rows, width, out) }),
      ("AdamW", 7, { kernels.adamw(&adamw, out, x, m, v, n) }),
      ("sum of squares", 1, { _ = kernels.sum_of_squares(x, n) }),
    ]
    return withExtendedLifetime([random, other, ones, result, statistics, gain, bias, first, second]) {
      cases.filter { isMeant($0.name) }.map { name, arrays, body in
        Operation(name: name, gigabytesPerSecond: speed(bytes: Int(4 * arrays * Double(n)), body))
      }
    }
  }
}
