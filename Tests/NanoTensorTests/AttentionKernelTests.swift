import CNanoKernels
import NanoTensor
import TensorTestSupport
import Testing

/// One head between others: rows `[query | key | value]` wider than the head is, and its gradients.
private struct Head {
  let length, width, valueWidth: Int
  /// Columns of zeros behind every operand's own: they change no result, but make the head too odd for the
  /// kernels of short sequences.
  let padding: Int

  struct Result: Equatable {
    var largest: Float
    var output, gradient: [Float]
  }

  /// - Parameter format: of what the kernels read and write; 16 bits are those that the precision's products read.
  func run(
    _ kernels: nk_kernels, _ precision: Precision, dropping: Bool, format: HalfTensor.Format? = nil
  ) -> Result {
    let widths = [width, width, valueWidth].map { $0 + padding }
    let (rowStride, outputStride) = (widths.reduce(5, +), widths[2] + 3)
    let input = Rows(
      padded([width, width, valueWidth], rowStride: rowStride, frequency: 1.37), format)
    let outputGradient = Rows(padded([valueWidth], rowStride: outputStride, frequency: 0.9), format)
    let output = Rows([Float](repeating: 0, count: length * outputStride), format)
    let gradient = Rows([Float](repeating: 0, count: length * rowStride), format)
    var probabilities = [Float](
      repeating: .nan, count: length * nk_attention_row_stride(length))
    var geometry = nk_attention(
      length: length, width: widths[0], value_width: widths[2], query_stride: rowStride,
      key_stride: rowStride, value_stride: rowStride, output_stride: outputStride, scale: 0.3,
      gemm: kernels.gemm(in: precision), rounding: precision.rounding,
      format: format == nil ? NK_FP32 : precision.rounding)
    let (x, dx) = (input.numbers, gradient.numbers)
    let (key, value) = (widths[0], 2 * widths[0])
    let largest = kernels.attention_probabilities(
      &geometry, x.start, x.advanced(by: key).start, &probabilities)
    // Without dropout the mixed probabilities are the same memory, by which the kernel knows.
    var mixed = probabilities
    for index in mixed.indices { mixed[index] *= index % 3 == 0 ? 0 : 1.5 }
    probabilities.withUnsafeBufferPointer { probabilities in
      mixed.withUnsafeBufferPointer { mixed in
        let (p, m) = (probabilities.baseAddress!, (dropping ? mixed : probabilities).baseAddress!)
        kernels.attention_mix(&geometry, m, x.advanced(by: value).start, output.numbers.start)
        kernels.attention_backward(
          &geometry, x.start, x.advanced(by: key).start, x.advanced(by: value).start, p, m,
          outputGradient.numbers.start, dx.start, dx.advanced(by: key).start,
          dx.advanced(by: value).start)
      }
    }
    return Result(
      largest: largest, output: own(output.floats, [valueWidth], rowStride: outputStride),
      gradient: own(gradient.floats, [width, width, valueWidth], rowStride: rowStride))
  }

  /// Memory of either format.
  private enum Rows {
    case whole(Tensor)
    case half(HalfTensor)

    init(_ floats: [Float], _ format: HalfTensor.Format?) {
      let tensor = Tensor(floats, shape: [floats.count])
      self = format.map { .half(HalfTensor(tensor, format: $0)) } ?? .whole(tensor)
    }

    var numbers: Numbers {
      switch self {
      case .whole(let tensor): tensor.numbers
      case .half(let half): half.numbers
      }
    }

    var floats: [Float] {
      switch self {
      case .whole(let tensor): tensor.scalars
      case .half(let half): half.tensor.scalars
      }
    }
  }

  private func padded(_ widths: [Int], rowStride: Int, frequency: Double) -> [Float] {
    let numbers = wave([length, widths.reduce(0, +)], frequency: frequency).scalars
    var rows = [Float](repeating: 0, count: length * rowStride)
    forEachOwnColumn(widths) { column, own, count in
      for row in 0..<length { rows[row * rowStride + column] = numbers[row * count + own] }
    }
    return rows
  }

  private func own(_ rows: [Float], _ widths: [Int], rowStride: Int) -> [Float] {
    var numbers: [Float] = []
    forEachOwnColumn(widths) { column, _, _ in
      numbers += (0..<length).map { rows[$0 * rowStride + column] }
    }
    return numbers
  }

  private func forEachOwnColumn(_ widths: [Int], _ body: (Int, Int, Int) -> Void) {
    var (first, own) = (0, 0)
    for width in widths {
      for column in 0..<width {
        body(first + column, own, widths.reduce(0, +))
        own += 1
      }
      first += width + padding
    }
  }
}

/// Queries, keys, values and gradients of 16 bits give what float32 gives whose products round them: rounded.
@Test(
  arguments: InstructionSet.allCases.filter(\.isSupported),
  [(Precision.bfloat16, HalfTensor.Format.bfloat16), (.float16, .float16)])
func headsTakeHalves(
  set: InstructionSet, half: (precision: Precision, format: HalfTensor.Format)
) throws {
  let table = try set.kernels()
  func rounded(_ numbers: [Float]) -> [Float] {
    HalfTensor(Tensor(numbers, shape: [numbers.count]), format: half.format).tensor.scalars
  }
  for (length, padding) in [(32, 0), (32, 1), (45, 0), (96, 0)] {
    let head = Head(length: length, width: 32, valueWidth: 16, padding: padding)
    for dropping in [false, true] {
      let wide = head.run(table, half.precision, dropping: dropping)
      let halves = head.run(table, half.precision, dropping: dropping, format: half.format)
      #expect(halves.largest == wide.largest)
      #expect(halves.output == rounded(wide.output), "\(length)")
      #expect(halves.gradient == rounded(wide.gradient), "\(length)")
      #expect(halves.output != wide.output && halves.output.allSatisfy(\.isFinite))
    }
  }
}

/// Short sequences have kernels of their own, which add up in the order of the general products.
@Test(
  arguments: InstructionSet.allCases.filter(\.isSupported),
  [(16, 16, 16), (32, 16, 16), (48, 32, 16), (64, 16, 48)])
func shortHeadsHaveTheBitsOfGeneralOnes(
  set: InstructionSet, size: (length: Int, width: Int, valueWidth: Int)
) throws {
  let table = try set.kernels()
  func head(padding: Int) -> Head {
    Head(length: size.length, width: size.width, valueWidth: size.valueWidth, padding: padding)
  }
  for precision in [Precision.float32, .float16, .bfloat16] {
    for dropping in [false, true] {
      let short = head(padding: 0).run(table, precision, dropping: dropping)
      let general = head(padding: 1).run(table, precision, dropping: dropping)
      if precision == .bfloat16 && set == .avx512 && (nk_has_amx() || nk_has_fast_pairs()) {
        // Tiles and pairs add up in another order, and what is rounded after that may fall to the other side.
        #expect(relativeDifference(short.output, general.output) < 4e-3)
        #expect(relativeDifference(short.gradient, general.gradient) < 1e-2)
      } else {
        #expect(short == general, "\(precision)")
      }
      #expect(short.gradient.contains { $0 != 0 } && short.output.allSatisfy(\.isFinite))
    }
  }
}
