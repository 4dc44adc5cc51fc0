import CNanoKernels
import Foundation
import NanoTensor
import TensorTestSupport
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
  let product = a.matmul(Tensor(identity, shape: [depth, depth]), precision: precision)
  #expect(product.scalars == a.scalars.map(precision == .float16 ? half : bfloat16))
}

@Test func halfTensorsHoldHalfTheBytes() throws {
  let tensor = Tensor(zeros: [1 << 14])
  #expect(try #require(pooledBytes { HalfTensor(tensor, format: .bfloat16) }) == 1 << 15)
}

/// A product of numbers that lie in 16 bits is that of the same numbers in 32, rounded if its result is of 16.
@Test(arguments: [(Precision.float16, HalfTensor.Format.float16), (.bfloat16, .bfloat16)])
func productsTakeHalves(precision: Precision, format: HalfTensor.Format) {
  let (rows, columns, depth) = (45, 50, 70)
  let a = HalfTensor(wave([rows, depth], frequency: 0.7), format: format)
  let b = HalfTensor(wave([columns, depth], frequency: 1.3), format: format)
  let (wideA, wideB) = (a.tensor, b.tensor)
  let expected: Tensor = matmul(wideA.matrix, wideB.matrix.transposed, precision: precision)
  var result = HalfTensor(uninitialized: [rows, columns], format: format)
  matmul(a.matrix, b.matrix.transposed, into: &result, precision: precision)
  #expect(result.tensor.scalars == HalfTensor(expected, format: format).tensor.scalars)
  #expect(relativeDifference(expected.scalars, wideA.matmul(transpose(wideB)).scalars) < 1e-5)
}

private func transpose(_ x: Tensor) -> Tensor {
  let (rows, columns) = (x.shape[0], x.shape[1])
  let scalars = x.scalars
  return Tensor(
    (0..<rows * columns).map { scalars[$0 % rows * columns + $0 / rows] }, shape: [columns, rows])
}

/// On numbers of 16 bits a kernel does what it does on the same numbers in 32, and rounds the results.
@Test(arguments: InstructionSet.allCases.filter(\.isSupported), [NK_BF16, NK_FP16])
func kernelsTakeHalves(set: InstructionSet, format: nk_format) throws {
  let table = try set.kernels()
  let (rows, width) = (5, 37)
  let n = rows * width
  let halves: HalfTensor.Format = format == NK_BF16 ? .bfloat16 : .float16
  func input(_ count: Int, _ frequency: Double) -> HalfTensor {
    HalfTensor(wave([count], frequency: frequency, scale: 3), format: halves)
  }
  let gates = wave([rows], frequency: 2)

  /// Runs a kernel on inputs of both formats; what it wrote, once rounded and once as 16 bits.
  func results(
    _ inputs: [HalfTensor], outputs: [Int],
    _ kernel: ([UnsafeMutableRawPointer], [UnsafeMutableRawPointer], nk_format) -> Void
  ) -> (expected: [[Float]], halves: [[Float]]) {
    let wide = inputs.map(\.tensor)
    let wideOutputs = outputs.map { Tensor(zeros: [$0]) }
    func memory(_ tensor: Tensor) -> UnsafeMutableRawPointer {
      UnsafeMutableRawPointer(tensor.elements)
    }
    let halfOutputs = outputs.map { HalfTensor(Tensor(zeros: [$0]), format: halves) }
    withExtendedLifetime((wide, inputs)) {
      kernel(wide.map(memory), wideOutputs.map(memory), NK_FP32)
      kernel(inputs.map(\.numbers.start), halfOutputs.map(\.numbers.start), format)
    }
    return (
      wideOutputs.map { HalfTensor($0, format: halves).tensor.scalars },
      halfOutputs.map(\.tensor.scalars)
    )
  }
  var pairs: [(expected: [[Float]], halves: [[Float]])] = []
  let (x, dy) = (input(n, 0.7), input(n, 1.9))
  let twice = input(2 * n, 0.9)
  pairs.append(results([x], outputs: [n]) { table.relu($0[0], $1[0], n, $2) })
  pairs.append(results([x, dy], outputs: [n]) { table.relu_backward($0[0], $0[1], $1[0], n, $2) })
  pairs.append(results([x], outputs: [n]) { table.gelu($0[0], $1[0], n, $2) })
  pairs.append(
    results([x, dy], outputs: [n, n]) { table.gelu_backward($0[0], $0[1], $1[0], $1[1], n, $2) })
  pairs.append(results([x], outputs: [n]) { table.gelu_tanh($0[0], $1[0], n, $2) })
  pairs.append(
    results([x, dy], outputs: [n, n]) { table.gelu_tanh_backward($0[0], $0[1], $1[0], $1[1], n, $2) })
  pairs.append(results([twice], outputs: [n]) { table.swiglu($0[0], $1[0], rows, width, $2) })
  pairs.append(
    results([twice, dy], outputs: [2 * n, n]) {
      table.swiglu_backward($0[0], $0[1], $1[0], $1[1], rows, width, $2)
    })
  pairs.append(
    results([twice], outputs: [n]) {
      table.gated_swiglu($0[0], gates.elements, $1[0], rows, width, $2)
    })
  var gateGradients: [[Float]] = []
  pairs.append(
    results([twice, dy], outputs: [2 * n, n]) {
      var gateGradient = [Float](repeating: 1, count: rows)
      table.gated_swiglu_backward(
        $0[0], gates.elements, $0[1], $1[0], &gateGradient, $1[1], rows, width, $2)
      gateGradients.append(gateGradient)
    })
  let (cosines, sines) = (wave([width], frequency: 0.2), wave([width], frequency: 0.3))
  for (interleaved, inverse) in [(false, false), (true, true)] {
    pairs.append(
      results([input(2 * width, 1.1)], outputs: [2 * width]) {
        table.rotate(
          $0[0], cosines.elements, sines.elements, $1[0], width, interleaved, inverse, $2)
      })
  }
  var statistics = [Float](repeating: 0, count: 2 * rows)
  let rowsOfFloats = x.tensor
  pairs.append(
    results([], outputs: [n]) {
      table.layer_norm(
        rowsOfFloats.elements, cosines.elements, sines.elements, $1[0], &statistics, rows, width,
        1e-5, $2)
    })
  pairs.append(
    results([], outputs: [n]) {
      table.rms_norm(
        rowsOfFloats.elements, cosines.elements, $1[0], &statistics, rows, width, 1e-6, $2)
    })
  for (expected, halves) in pairs {
    #expect(expected == halves && expected[0].contains { $0 != 0 })
  }
  #expect(gateGradients[0] == gateGradients[1])
}

/// Sums and gradients of norms are float32, whatever they are made from; the gradient of a loss is rounded.
@Test(arguments: InstructionSet.allCases.filter(\.isSupported), [NK_BF16, NK_FP16])
func rowKernelsTakeHalves(set: InstructionSet, format: nk_format) throws {
  let table = try set.kernels()
  let (rows, width) = (5, 37)
  let n = rows * width
  let halves: HalfTensor.Format = format == NK_BF16 ? .bfloat16 : .float16
  let x = HalfTensor(wave([n], frequency: 0.7, scale: 3), format: halves)
  let wide = x.tensor
  let dy = HalfTensor(wave([n]), format: halves)
  let wideGradient = dy.tensor
  let (gain, statistics) = (wave([width], frequency: 0.3), wave([2 * rows]))
  func formats(_ half: HalfTensor, _ wide: Tensor) -> [(UnsafeMutableRawPointer, nk_format)] {
    [(UnsafeMutableRawPointer(wide.elements), NK_FP32), (half.numbers.start, format)]
  }
  let all = formats(x, wide).flatMap { x in formats(dy, wideGradient).map { (x, $0) } }
  let results = all.map { x, dy in
    let (x, format, d, gradientFormat) = (x.0, x.1, dy.0, dy.1)
    var dx = [[Float]](repeating: [Float](repeating: 0, count: n), count: 2)
    var sums = [[Float]](repeating: [Float](repeating: 2, count: width), count: 4)
    table.add_row_sums(x, &sums[0], rows, width, format)
    var (gainSums, biasSums) = (sums[1], sums[2])
    table.layer_norm_backward(
      x, gain.elements, statistics.elements, d, &dx[0], &gainSums, &biasSums, rows, width, format,
      gradientFormat)
    table.rms_norm_backward(
      x, gain.elements, statistics.elements, d, &dx[1], &sums[3], rows, width, format,
      gradientFormat)
    return dx + [sums[0], gainSums, biasSums, sums[3]]
  }
  #expect(results.allSatisfy { $0 == results[0] })

  let targets: [Int32] = [3, -1, 0, 36, 7]
  let difference = Tensor(zeros: [rows, width])
  let total = table.cross_entropy(
    wide.elements, targets, difference.elements, rows, width, NK_FP32)
  let rounded = HalfTensor(Tensor(repeating: 1, shape: [rows, width]), format: halves)
  #expect(
    table.cross_entropy(wide.elements, targets, rounded.numbers.start, rows, width, format) == total)
  #expect(rounded.tensor.scalars == HalfTensor(difference, format: halves).tensor.scalars)
  withExtendedLifetime((x, wide, dy, wideGradient, gain, statistics, difference, rounded)) {}
}
