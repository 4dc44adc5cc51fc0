@testable import NanoTensor
import TensorTestSupport
import Testing

/// Products of `fp32-split` on a GPU, here the emulated one, whose TF32 products round their operands as tensor cores do.
@Suite(.enabled(if: EmulatedGPU.isAvailable, "\(EmulatedGPU.reasonToSkip ?? "")"))
struct SplitProductTests {
  /// Operands of a product, either way round.
  struct Case: CustomTestStringConvertible {
    var (rows, depth, columns) = (37, 130, 29)
    var transposesLeft, transposesRight: Bool

    var testDescription: String { "\(rows)×\(depth)×\(columns) \(transposesLeft) \(transposesRight)" }

    static let all = [(37, 130, 29), (16, 64, 24)].flatMap { extents in
      [(false, false), (true, false), (false, true), (true, true)].map {
        Case(rows: extents.0, depth: extents.1, columns: extents.2, transposesLeft: $0.0, transposesRight: $0.1)
      }
    }
  }

  private func operands(_ c: Case) -> (left: Tensor, right: Tensor) {
    var generator = RandomGenerator(seed: 1)
    func random(_ rows: Int, _ columns: Int, _ isTransposed: Bool) -> Tensor {
      Tensor(normal: isTransposed ? [columns, rows] : [rows, columns], standardDeviation: 1, using: &generator)
    }
    return (random(c.rows, c.depth, c.transposesLeft), random(c.depth, c.columns, c.transposesRight))
  }

  private func product(_ c: Case, on device: Device, _ precision: Precision) -> [Float] {
    let (left, right) = operands(c)
    let (a, b) = (left.on(device), right.on(device))
    return matmul(
      c.transposesLeft ? a.matrix.transposed : a.matrix, c.transposesRight ? b.matrix.transposed : b.matrix,
      precision: precision
    ).scalars
  }

  /// In norm, relative to the product in Double.
  private func error(_ product: [Float], _ c: Case) -> Double {
    let (left, right) = operands(c)
    let (a, b) = (left.scalars, right.scalars)
    var (differences, squares) = (0.0, 0.0)
    for row in 0..<c.rows {
      for column in 0..<c.columns {
        var sum = 0.0
        for k in 0..<c.depth {
          sum +=
            Double(a[c.transposesLeft ? k * c.rows + row : row * c.depth + k])
            * Double(b[c.transposesRight ? column * c.depth + k : k * c.columns + column])
        }
        let difference = Double(product[row * c.columns + column]) - sum
        (differences, squares) = (differences + difference * difference, squares + sum * sum)
      }
    }
    return (differences / squares).squareRoot()
  }

  @Test(arguments: Case.all)
  func areFloat32sToAFewMillionths(_ c: Case) throws {
    try EmulatedGPU.withDeviceSplittingAll { device in
      let before = try #require(device.memory).currentBytes
      #expect(error(product(c, on: device, .float32Split), c) < 1e-6)
      // The copies are gone.
      #expect(device.memory?.currentBytes == before)
      device.allowsTF32 = true
      defer { device.allowsTF32 = false }
      #expect(error(product(c, on: device, .float32), c) > 1e-5)
    }
  }

  @Test func smallOnesAreFloat32s() throws {
    let c = Case.all[0]
    let split = try EmulatedGPU.withDeviceSplittingAll { product(c, on: $0, .float32Split) }
    try EmulatedGPU.withDevice { device in
      let plain = product(c, on: device, .float32)
      #expect(product(c, on: device, .float32Split) == plain && split != plain)
    }
  }
}
