internal import CNanoKernels

/// Speeds of single kernels on one thread, beside what the machine can do at best.
public struct OperationBenchmark: Sendable, Codable {
  public struct Product: Sendable, Codable {
    public var name: String
    public var rows, columns, depth: Int
    /// GFLOP/s of the project's kernel, of OpenBLAS (0 when not installed), and of the other precisions.
    public var own, openBLAS, split, bf16: Double
  }

  /// Causal attention of one head over one sequence.
  public struct Attention: Sendable, Codable {
    public var name: String
    public var length, keyWidth, valueWidth: Int
    /// GFLOP/s of the products that causality leaves, softmax included in the time; of each precision.
    public var own, split, bf16: Double
  }

  public struct Operation: Sendable, Codable {
    public var name: String
    public var gigabytesPerSecond: Double
  }

  public var kernels: String
  public var openBLASCore: String?
  public var peakGFLOPS: Double
  /// 0 where bfloat16 is not multiplied as such.
  public var peakBF16GFLOPS: Double
  public var peakGBPS: Double
  public var products: [Product]
  public var attention: [Attention]
  public var operations: [Operation]

  /// Measures everything; takes a few seconds.
  public static func run() -> OperationBenchmark {
    OperationBenchmark(
      kernels: Machine.current.kernels, openBLASCore: Machine.openBLASCore,
      peakGFLOPS: peakArithmetic(), peakBF16GFLOPS: peakBF16(), peakGBPS: copySpeed(),
      products: productCases.map(measure), attention: measureAttention(),
      operations: measureOperations())
  }

  // MARK: Peaks

  private static func peakArithmetic() -> Double {
    var sink: Float = 0
    let set = (EnvironmentVariables.instructionSet ?? .best).kernelSet
    var operations = 0.0
    let seconds = fastest(of: 7) { operations = nk_probe_arithmetic(set, 1_000_000, &sink) }
    return operations / seconds * 1e-9
  }

  private static func peakBF16() -> Double {
    var sink: Float = 0
    var operations = 0.0
    let seconds = fastest(of: 7) { operations = nk_probe_bf16(100_000, &sink) }
    return operations / seconds * 1e-9
  }

  private static func copySpeed() -> Double {
    let x = Tensor(repeating: 1, shape: [elementCount])
    var y = Tensor(zeros: [elementCount])
    let out = y.mutableElements
    return speed(bytes: 8 * elementCount) { out.update(from: x.elements, count: elementCount) }
  }

  // MARK: Timing

  static func speed(bytes: Int, _ body: () -> Void) -> Double {
    Double(bytes) * 1e-9 / secondsPerCall(body)
  }

  /// The fastest of several rounds of about 10 ms.
  static func secondsPerCall(_ body: () -> Void) -> Double {
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
