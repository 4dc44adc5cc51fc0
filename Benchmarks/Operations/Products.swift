import CNanoKernels
import COpenBLAS
import NanoTensor

extension OperationBenchmark {
  enum Form { case nt, nn, tn }

  static let productCases: [(name: String, form: Form, rows: Int, columns: Int, depth: Int)] = [
    ("query, key, value", .nt, 256, 192, 64), ("projection", .nt, 256, 64, 64),
    ("feed-forward up", .nt, 256, 256, 64), ("feed-forward down", .nt, 256, 64, 256),
    ("experts up", .nt, 256, 512, 64), ("head", .nt, 256, 65, 64),
    ("input gradient, down", .nn, 256, 256, 64), ("input gradient, up", .nn, 256, 64, 256),
    ("weight gradient, up", .tn, 256, 64, 256), ("weight gradient, down", .tn, 64, 256, 256),
    ("Newton-Schulz 64×64", .nn, 64, 64, 64), ("Newton-Schulz 64×128", .nn, 64, 128, 64),
    ("large", .nt, 1024, 1024, 1024), ("large weight gradient", .tn, 384, 1536, 2048),
  ]

  static func measure(
    _ case: (name: String, form: Form, rows: Int, columns: Int, depth: Int)
  ) -> Product {
    let (name, form, rows, columns, depth) = `case`
    let (a, b) = (Floats(random: rows * depth, seed: 1), Floats(random: depth * columns, seed: 2))
    let c = Floats(repeating: 0, count: rows * columns)
    let operations = 2 * Double(rows) * Double(columns) * Double(depth)
    func gigaflops(_ body: () -> Void) -> Double { operations * 1e-9 / secondsPerCall(body) }
    let (aIsTransposed, bIsTransposed) = (form == .tn, form == .nt)
    let (aStride, bStride) = (aIsTransposed ? rows : depth, bIsTransposed ? depth : columns)
    func operand(_ x: Floats, isTransposed: Bool, stride: Int) -> nk_operand {
      nk_operand(start: x.start, format: NK_FP32, is_packed: false, is_transposed: isTransposed, stride: stride)
    }
    var product = nk_gemm(
      rows: rows, columns: columns, depth: depth, a: operand(a, isTransposed: aIsTransposed, stride: aStride),
      b: operand(b, isTransposed: bIsTransposed, stride: bStride),
      c: nk_result(start: c.start, format: NK_FP32, stride: columns), addend: nk_addend(), alpha: 1, triangle: NK_FULL)
    func openBLAS() -> Double {
      gigaflops {
        _ = nk_openblas_sgemm(
          aIsTransposed, bIsTransposed, Int32(rows), Int32(columns), Int32(depth), 1, a.start, Int32(aStride), b.start,
          Int32(bStride), 0, c.start, Int32(columns))
      }
    }
    return Product(
      name: name, rows: rows, columns: columns, depth: depth, own: gigaflops { table.gemm(&product) },
      openBLAS: Machine.openBLASCore == nil ? 0 : openBLAS(), split: gigaflops { table.gemm_split(&product) },
      bf16: gigaflops { table.gemm_bf16(&product) })
  }
}
