internal import CNanoKernels

/// Speeds of single kernels on one thread, beside what the machine can do at best.
public struct OperationBenchmark: Sendable, Codable {
  public struct Product: Sendable, Codable {
    public var name: String
    public var rows, columns, depth: Int
    /// GFLOP/s of the project's kernel, of OpenBLAS (0 when not installed), and of the other precisions.
    public var own, openBLAS, split, bf16: Double
  }

  public struct Operation: Sendable, Codable {
    public var name: String
    public var gigabytesPerSecond: Double
  }

  public var kernels: String
  public var openBLASCore: String?
  public var peakGFLOPS: Double
  /// 0 without AMX.
  public var peakBF16GFLOPS: Double
  public var peakGBPS: Double
  public var products: [Product]
  public var operations: [Operation]

  /// Measures everything; takes a few seconds.
  public static func run() -> OperationBenchmark {
    OperationBenchmark(
      kernels: Machine.current.kernels, openBLASCore: Machine.openBLASCore,
      peakGFLOPS: peakArithmetic(), peakBF16GFLOPS: peakTiles(), peakGBPS: copySpeed(),
      products: products.map(measure), operations: measureOperations())
  }

  // MARK: Peaks

  private static func peakArithmetic() -> Double {
    var sink: Float = 0
    let set = (InstructionSet.requested ?? .best).kernelSet
    var operations = 0.0
    let seconds = fastest(of: 7) { operations = nk_probe_arithmetic(set, 1_000_000, &sink) }
    return operations / seconds * 1e-9
  }

  private static func peakTiles() -> Double {
    guard nk_has_amx() else { return 0 }
    var operations = 0.0
    let seconds = fastest(of: 7) { operations = nk_probe_amx(100_000) }
    return operations / seconds * 1e-9
  }

  private static func copySpeed() -> Double {
    let x = Tensor(repeating: 1, shape: [elementCount])
    var y = Tensor(zeros: [elementCount])
    let out = y.mutableElements
    return speed(bytes: 8 * elementCount) { out.update(from: x.elements, count: elementCount) }
  }

  // MARK: Products

  private enum Form { case nt, nn, tn }

  private static let products: [(name: String, form: Form, rows: Int, columns: Int, depth: Int)] = [
    ("query, key, value", .nt, 256, 192, 64), ("projection", .nt, 256, 64, 64),
    ("feed-forward up", .nt, 256, 256, 64), ("feed-forward down", .nt, 256, 64, 256),
    ("experts up", .nt, 256, 512, 64), ("head", .nt, 256, 65, 64),
    ("input gradient, down", .nn, 256, 256, 64), ("input gradient, up", .nn, 256, 64, 256),
    ("weight gradient, up", .tn, 256, 64, 256), ("weight gradient, down", .tn, 64, 256, 256),
    ("Newton-Schulz 64×64", .nn, 64, 64, 64), ("Newton-Schulz 64×128", .nn, 64, 128, 64),
    ("large", .nt, 1024, 1024, 1024), ("large weight gradient", .tn, 384, 1536, 2048),
  ]

  private static func measure(
    _ case: (name: String, form: Form, rows: Int, columns: Int, depth: Int)
  ) -> Product {
    let (name, form, rows, columns, depth) = `case`
    var generator = RandomGenerator(seed: 1)
    let a = Tensor(uniformWithin: 1, shape: [rows, depth], using: &generator)
    let b = Tensor(uniformWithin: 1, shape: [depth, columns], using: &generator)
    var c = Tensor(zeros: [rows, columns])
    let left: MatrixView =
      form == .tn
      ? MatrixView(a.elements, rows: depth, columns: rows).transposed
      : MatrixView(a.elements, rows: rows, columns: depth)
    let right: MatrixView =
      form == .nt
      ? MatrixView(b.elements, rows: columns, columns: depth).transposed
      : MatrixView(b.elements, rows: depth, columns: columns)
    let out = c.mutableElements
    let operations = 2 * Double(rows) * Double(columns) * Double(depth)
    func gigaflops(_ body: () -> Void) -> Double { operations * 1e-9 / secondsPerCall(body) }
    func own(_ precision: Precision) -> Double {
      gigaflops { multiplyWithOwnKernel(left, right, into: out, precision: precision) }
    }
    let hasOpenBLAS = Machine.openBLASCore != nil
    return Product(
      name: name, rows: rows, columns: columns, depth: depth, own: own(.float32),
      openBLAS: hasOpenBLAS
        ? gigaflops {
          _ = multiplyWithOpenBLAS(
            left, right, into: out, stride: columns, scale: 1, addend: nil)
        } : 0,
      split: own(.float32Split), bf16: own(.bfloat16))
  }

  // MARK: Operations

  /// Floats an operation works on: 256 KB, the size of an activation of the study.
  private static let elementCount = 65_536

  private static func measureOperations() -> [Operation] {
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
    let kernels = NanoTensor.kernels
    let rows = n / width
    let cases: [(name: String, arrays: Int, body: () -> Void)] = [
      ("add", 3, { kernels.add(x.elements, y.elements, out, n) }),
      ("ReLU", 2, { kernels.relu(x.elements, out, n) }),
      ("ReLU backward", 3, { kernels.relu_backward(x.elements, y.elements, out, n) }),
      ("SiLU", 2, { kernels.silu(x.elements, out, n) }),
      ("SwiGLU", 2, { kernels.swiglu(x.elements, out, rows / 2, width) }),
      (
        "SwiGLU backward", 3,
        { kernels.swiglu_backward(x.elements, y.elements, out, rows / 2, width) }
      ),
      ("softmax, rows of 64", 2, { kernels.softmax(x.elements, out, rows, width) }),
      (
        "cross-entropy, rows of 64", 2,
        { _ = kernels.cross_entropy(x.elements, targets, out, rows, width) }
      ),
      (
        "layer norm, rows of 64", 2,
        {
          kernels.layer_norm(x.elements, row.elements, row.elements, out, stats, rows, width, 1e-5)
        }
      ),
      (
        "layer norm backward, rows of 64", 3,
        {
          kernels.layer_norm_backward(
            x.elements, row.elements, stats, y.elements, out, gainOut, biasOut, rows, width)
        }
      ),
      ("AdamW", 7, { kernels.adamw(&adamw, out, x.elements, m, v, n) }),
      ("sum of squares", 1, { _ = kernels.sum_of_squares(x.elements, n) }),
    ]
    return cases.map { name, arrays, body in
      Operation(name: name, gigabytesPerSecond: speed(bytes: 4 * arrays * n, body))
    }
  }

  // MARK: Timing

  private static func speed(bytes: Int, _ body: () -> Void) -> Double {
    Double(bytes) * 1e-9 / secondsPerCall(body)
  }

  /// The fastest of several rounds of about 10 ms.
  private static func secondsPerCall(_ body: () -> Void) -> Double {
    let once = max(fastest(of: 3, body), 1e-8)
    let repetitions = max(1, Int(0.01 / once))
    return fastest(of: 7) { for _ in 0..<repetitions { body() } } / Double(repetitions)
  }

  private static func fastest(of count: Int, _ body: () -> Void) -> Double {
    (0..<count).map { _ in
      let start = ContinuousClock.now
      body()
      let (seconds, attoseconds) = (ContinuousClock.now - start).components
      return Double(seconds) + Double(attoseconds) * 1e-18
    }.min() ?? 0
  }
}
