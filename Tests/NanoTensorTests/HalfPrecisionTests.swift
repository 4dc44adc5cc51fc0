import CNanoKernels
import Foundation
import NanoTensor
import NanoTestSupport
import Testing

/// IEEE half by its definition: the nearest multiple of the spacing at x, ties to even.
private func half(_ x: Float) -> Float {
  guard x.isFinite else { return x }
  let exponent = max(Double(x).magnitude.exponent, -14)
  let spacing = Double(sign: .plus, exponent: Int(x == 0 ? -14 : exponent) - 10, significand: 1)
  let rounded = (Double(x) / spacing).rounded(.toNearestOrEven) * spacing
  return rounded.magnitude >= 65_520
    ? Float(sign: x.sign, exponent: 0, significand: 1) * .infinity
    : Float(rounded)
}

private func bfloat16(_ x: Float) -> Float {
  guard x.isFinite else { return x }
  let spacing = Double(sign: .plus, exponent: Int(x == 0 ? -126 : max(x.exponent, -126)) - 7, significand: 1)
  return Float((Double(x) / spacing).rounded(.toNearestOrEven) * spacing)
}

private let samples: [Float] = {
  var values: [Float] = [
    0, 1, -1, 65_504, 65_519.9, 65_520, -70_000, 1e30, 6.1e-5, 6.09e-5, 5.96e-8, 2.98e-8, 2.99e-8, 1e-9,
    2049, 2051, 1 + 0x1p-11, 1 + 0x1p-11 + 0x1p-20, .infinity, -.infinity,
  ]
  var generator = RandomGenerator(seed: 2)
  for _ in 0..<3_000 {
    let exponent = Float(generator.nextInt(below: 50)) - 28
    values.append((2 * generator.nextUniform() - 1) * exp2(exponent))
  }
  return values
}()

@Test func halvesRoundAsIEEE() {
  let tensor = Tensor(samples, shape: [samples.count])
  #expect(HalfTensor(tensor, format: .float16).tensor.scalars == samples.map(half))
  #expect(HalfTensor(tensor, format: .bfloat16).tensor.scalars == samples.map(bfloat16))
  #expect(HalfTensor(Tensor([.nan], shape: [1]), format: .float16).tensor.scalar.isNaN)
}

@Test(arguments: [Precision.float16, .bfloat16])
func productsReadRoundedOperands(precision: Precision) {
  let finite = samples.filter { abs($0) < 60_000 }
  let (rows, depth) = (finite.count / 30, 30)
  let a = Tensor(Array(finite.prefix(rows * depth)), shape: [rows, depth])
  var identity = [Float](repeating: 0, count: depth * depth)
  for index in 0..<depth { identity[index * depth + index] = 1 }
  let product = a.matrixProduct(Tensor(identity, shape: [depth, depth]), precision: precision)
  #expect(product.scalars == a.scalars.map(precision == .float16 ? half : bfloat16))
}

@Test func halfTensorsHoldHalfTheBytes() throws {
  let tensor = Tensor(zeros: [1 << 14])
  #expect(try #require(pooledBytes { HalfTensor(tensor, format: .bfloat16) }) == 1 << 15)
}
