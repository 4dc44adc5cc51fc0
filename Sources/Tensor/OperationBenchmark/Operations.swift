internal import CNanoKernels

extension OperationBenchmark {
  /// Floats an operation works on: 256 KB, the size of an activation of the study.
  static let elementCount = 65_536

  static func measureOperations() -> [Operation] {
    let (n, width) = (elementCount, 64)
    var generator = RandomGenerator(seed: 2)
    let x = Tensor(uniformWithin: 1, shape: [n], using: &generator)
    let y = Tensor(uniformWithin: 1, shape: [n], using: &generator)
    let row = Tensor(repeating: 1, shape: [width])
    var result = Tensor(zeros: [2 * n])
    var statistics = Tensor(zeros: [2 * n / width])
    var (gain, bias) = (Tensor(zeros: [width]), Tensor(zeros: [width]))
    var (first, second) = (Tensor(zeros: [n]), Tensor(zeros: [n]))
    let (out, stats) = (result.mutableElements, statistics.mutableElements)
    let (gainOut, biasOut) = (gain.mutableElements, bias.mutableElements)
    let (m, v) = (first.mutableElements, second.mutableElements)
    let targets = [Int32](repeating: 1, count: n / width)
    var adamw = nk_adamw(
      beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 1, step_size: 1e-9,
      inverse_root_correction: 1, gradient_factor: 1)
    let kernels = NanoTensor.kernels.table.pointee
    let rows = n / width
    // Arrays of n floats read and written.
    let cases: [(name: String, arrays: Double, body: () -> Void)] = [
      ("add", 3, { kernels.add(x.elements, y.elements, out, n) }),
      ("ReLU", 2, { kernels.relu(x.elements, out, n, NK_FP32) }),
      ("ReLU backward", 3, { kernels.relu_backward(x.elements, y.elements, out, n, NK_FP32) }),
      ("SiLU", 2, { kernels.silu(x.elements, out, n) }),
      ("SiLU backward", 3, { kernels.silu_backward(x.elements, y.elements, out, n) }),
      ("GELU", 2, { kernels.gelu(x.elements, out, n, NK_FP32) }),
      (
        "GELU backward", 3,
        { kernels.gelu_backward(x.elements, y.elements, out, nil, n, NK_FP32) }
      ),
      ("sigmoid", 2, { kernels.sigmoid(x.elements, out, n) }),
      ("SwiGLU", 1.5, { kernels.swiglu(x.elements, out, rows / 2, width, NK_FP32) }),
      (
        "SwiGLU backward", 2.5,
        { kernels.swiglu_backward(x.elements, y.elements, out, nil, rows / 2, width, NK_FP32) }
      ),
      (
        "SwiGLU times gates", 1.5,
        { kernels.gated_swiglu(x.elements, y.elements, out, rows / 2, width, NK_FP32) }
      ),
      (
        "SwiGLU times gates backward", 3,
        {
          kernels.gated_swiglu_backward(
            x.elements, y.elements, y.elements, out, stats, m, rows / 2, width, NK_FP32)
        }
      ),
      ("softmax, rows of 64", 2, { kernels.softmax(x.elements, out, rows, width) }),
      (
        "softmax backward, rows of 64", 3,
        { kernels.softmax_backward(x.elements, y.elements, out, rows, width) }
      ),
      (
        "cross-entropy, rows of 64", 2,
        { _ = kernels.cross_entropy(x.elements, targets, out, rows, width, NK_FP32) }
      ),
      (
        "layer norm, rows of 64", 2,
        {
          kernels.layer_norm(
            x.elements, row.elements, row.elements, out, stats, rows, width, 1e-5, NK_FP32)
        }
      ),
      (
        "layer norm backward, rows of 64", 3,
        {
          kernels.layer_norm_backward(
            x.elements, row.elements, stats, y.elements, out, gainOut, biasOut, rows, width,
            NK_FP32, NK_FP32)
        }
      ),
      (
        "RMS norm, rows of 64", 2,
        { kernels.rms_norm(x.elements, row.elements, out, stats, rows, width, 1e-6, NK_FP32) }
      ),
      (
        "RMS norm backward, rows of 64", 3,
        {
          kernels.rms_norm_backward(
            x.elements, row.elements, stats, y.elements, out, gainOut, rows, width, NK_FP32,
            NK_FP32)
        }
      ),
      (
        "rotation, rows of 64", 2,
        {
          for i in stride(from: 0, to: n, by: width) {
            kernels.rotate(
              x.elements + i, row.elements, row.elements, out + i, width / 2, true, false,
              NK_FP32)
          }
        }
      ),
      ("transpose, rows of 64", 2, { kernels.transpose(x.elements, rows, width, out) }),
      ("AdamW", 7, { kernels.adamw(&adamw, out, x.elements, m, v, n) }),
      ("sum of squares", 1, { _ = kernels.sum_of_squares(x.elements, n) }),
    ]
    return cases.map { name, arrays, body in
      Operation(name: name, gigabytesPerSecond: speed(bytes: Int(4 * arrays * Double(n)), body))
    }
  }
}
