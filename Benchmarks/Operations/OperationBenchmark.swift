import CNanoKernels
import NanoTensor

/// Speeds of single kernels on one thread, beside what the machine can do at best: not a part of any library.
package struct OperationBenchmark: Sendable, Codable {
  package struct Product: Sendable, Codable {
    package var name: String
    package var rows, columns, depth: Int
    /// GFLOP/s of the project's kernel, of OpenBLAS (0 when not installed), and of the other precisions.
    package var own, openBLAS, split, bf16: Double
  }

  /// Causal attention of one head over one sequence.
  package struct Attention: Sendable, Codable {
    package var name: String
    package var length, keyWidth, valueWidth: Int
    /// GFLOP/s of the products that causality leaves, softmax included in the time; of each precision.
    package var own, split, bf16: Double
  }

  package struct Operation: Sendable, Codable {
    package var name: String
    package var gigabytesPerSecond: Double
  }

  package var kernels: String
  package var openBLASCore: String?
  package var peakGFLOPS: Double
  /// 0 where bfloat16 is not multiplied as such.
  package var peakBF16GFLOPS: Double
  package var peakGBPS: Double
  package var products: [Product]
  package var attention: [Attention]
  package var operations: [Operation]

  /// Measures everything, which takes some seconds, or the operations whose names hold a text.
  package static func run(only name: String? = nil) -> OperationBenchmark {
    func isMeant(_ other: String) -> Bool { name.map { other.lowercased().contains($0.lowercased()) } ?? true }
    func peaks() -> [Double] { [peakArithmetic(), peakBF16(), copySpeed()] }
    let before = peaks()
    let products = productCases.filter { isMeant($0.name) }.map(measure)
    let attention = measureAttention(where: isMeant)
    let operations = measureOperations(where: isMeant)
    // A machine whose clock rises, or that others leave, has another peak after than before.
    let best = zip(before, peaks()).map { max($0, $1) }
    return OperationBenchmark(
      kernels: Machine.current.kernels, openBLASCore: Machine.openBLASCore, peakGFLOPS: best[0],
      peakBF16GFLOPS: best[1], peakGBPS: best[2], products: products, attention: attention, operations: operations)
  }

  // MARK: Peaks

  /// The instruction set that the libraries use here.
  private static let instructionSet: nk_instruction_set =
    [NK_AVX512, NK_AVX2].first {
      nk_kernels_for($0).map { String(cString: $0.pointee.name) } == Machine.current.kernels
    } ?? NK_PORTABLE

  static var table: nk_kernels { nk_kernels_for(instructionSet)!.pointee }

  private static func peakArithmetic() -> Double {
    var sink: Float = 0
    let set = instructionSet
    var operations = 0.0
    let seconds = fastest(of: 7) { operations = nk_probe_arithmetic(set, 1_000_000, &sink) }
    return operations / seconds * 1e-9
  }

  /// GFLOP/s that the threads of the shared pool reach together with arithmetic alone: of bfloat16 if that is asked for and
  /// the machine multiplies it as such, else of float32.
  package static func peakGFLOPSOfAllThreads(bf16: Bool) -> Double {
    var sink: Float = 0
    let (set, isBF16) = (instructionSet, bf16 && nk_probe_bf16(1, &sink) > 0)
    let pool = WorkerPool.shared
    let threads = pool.threadCount
    var operations = [Double](repeating: 0, count: threads)
    let seconds = fastest(of: 10) {
      operations.withUnsafeMutableBufferPointer { buffer in
        nonisolated(unsafe) let operations = buffer
        pool.run(threads) { thread in
          var sink: Float = 0
          operations[thread] = isBF16 ? nk_probe_bf16(100_000, &sink) : nk_probe_arithmetic(set, 100_000, &sink)
        }
      }
    }
    return operations.reduce(0, +) / seconds * 1e-9
  }

  private static func peakBF16() -> Double {
    var sink: Float = 0
    var operations = 0.0
    let seconds = fastest(of: 7) { operations = nk_probe_bf16(100_000, &sink) }
    return operations / seconds * 1e-9
  }

  private static func copySpeed() -> Double {
    let (x, y) = (Floats(repeating: 1, count: elementCount), Floats(repeating: 0, count: elementCount))
    return speed(bytes: 8 * elementCount) { y.start.update(from: x.start, count: elementCount) }
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
