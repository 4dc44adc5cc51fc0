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
    var generator = RandomGenerator(seed: 1)
    let a = Tensor(uniformWithin: 1, shape: [rows, depth], using: &generator)
    let b = Tensor(uniformWithin: 1, shape: [depth, columns], using: &generator)
    var c = Tensor(zeros: [rows, columns])
    let left = form == .tn ? a.reshaped([depth, rows]).matrix.transposed : a.matrix
    let right = form == .nt ? b.reshaped([columns, depth]).matrix.transposed : b.matrix
    let operations = 2 * Double(rows) * Double(columns) * Double(depth)
    func gigaflops(_ body: () -> Void) -> Double { operations * 1e-9 / secondsPerCall(body) }
    func product(_ precision: Precision, _ result: MutableNumbers) -> HostProduct {
      HostProduct(left, right, into: result.numbers, rowStride: columns, precision: precision)
    }
    func own(_ precision: Precision) -> Double {
      c.withMutableNumbers { c in gigaflops { product(precision, c).multiply() } }
    }
    func openBLAS() -> Double {
      c.withMutableNumbers { c in gigaflops { _ = product(.float32, c).multiplyWithOpenBLAS() } }
    }
    let hasOpenBLAS = Machine.openBLASCore != nil
    return Product(
      name: name, rows: rows, columns: columns, depth: depth, own: own(.float32),
      openBLAS: hasOpenBLAS ? openBLAS() : 0,
      split: own(.float32Split), bf16: own(.bfloat16))
  }
}
