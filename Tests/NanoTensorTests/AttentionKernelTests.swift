import CNanoKernels
import NanoTensor
import NanoTestSupport
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

  func run(_ kernels: nk_kernels, _ precision: Precision, dropping: Bool) -> Result {
    let widths = [width, width, valueWidth].map { $0 + padding }
    let (rowStride, outputStride) = (widths.reduce(5, +), widths[2] + 3)
    let input = padded([width, width, valueWidth], rowStride: rowStride, frequency: 1.37)
    let outputGradient = padded([valueWidth], rowStride: outputStride, frequency: 0.9)
    var output = [Float](repeating: 0, count: length * outputStride)
    var gradient = [Float](repeating: 0, count: length * rowStride)
    var probabilities = [Float](
      repeating: .nan, count: length * nk_attention_row_stride(length))
    var geometry = nk_attention(
      length: length, width: widths[0], value_width: widths[2], query_stride: rowStride,
      key_stride: rowStride, value_stride: rowStride, output_stride: outputStride, scale: 0.3,
      product: kernels.product(in: precision), rounding: precision.operandRounding)
    let (key, value) = (widths[0], 2 * widths[0])
    var largest: Float = 0
    input.withUnsafeBufferPointer { input in
      let x = input.baseAddress!
      gradient.withUnsafeMutableBufferPointer { gradient in
        let dx = gradient.baseAddress!
        largest = kernels.attention_probabilities(&geometry, x, x + key, &probabilities)
        // Without dropout the mixed probabilities are the same memory, by which the kernel knows.
        var mixed = probabilities
        for index in mixed.indices { mixed[index] *= index % 3 == 0 ? 0 : 1.5 }
        probabilities.withUnsafeBufferPointer { probabilities in
          mixed.withUnsafeBufferPointer { mixed in
            let (p, m) = (probabilities.baseAddress!, (dropping ? mixed : probabilities).baseAddress!)
            kernels.attention_mix(&geometry, m, x + value, &output)
            kernels.attention_backward(
              &geometry, x, x + key, x + value, p, m, outputGradient, dx, dx + key, dx + value)
          }
        }
      }
    }
    return Result(
      largest: largest, output: own(output, [valueWidth], rowStride: outputStride),
      gradient: own(gradient, [width, width, valueWidth], rowStride: rowStride))
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

/// Short sequences have kernels of their own, which add up in the order of the general products.
@Test(
  arguments: InstructionSet.allCases.filter(\.isSupported),
  [(16, 16, 16), (32, 16, 16), (48, 32, 16), (64, 16, 48)])
func shortHeadsHaveTheBitsOfGeneralOnes(
  set: InstructionSet, size: (length: Int, width: Int, valueWidth: Int)
) throws {
  let table = try #require(
    nk_kernels_for(
      nk_instruction_set(rawValue: UInt32(InstructionSet.allCases.firstIndex(of: set)!)))
  ).pointee
  func head(padding: Int) -> Head {
    Head(length: size.length, width: size.width, valueWidth: size.valueWidth, padding: padding)
  }
  for precision in [Precision.float32, .float16, .bfloat16] {
    for dropping in [false, true] {
      let short = head(padding: 0).run(table, precision, dropping: dropping)
      let general = head(padding: 1).run(table, precision, dropping: dropping)
      if precision == .bfloat16 && set == .avx512 && nk_has_amx() {
        // Tiles add up in another order, and what is rounded after that may fall to the other side.
        #expect(relativeDifference(short.output, general.output) < 4e-3)
        #expect(relativeDifference(short.gradient, general.gradient) < 1e-2)
      } else {
        #expect(short == general, "\(precision)")
      }
      #expect(short.gradient.contains { $0 != 0 } && short.output.allSatisfy(\.isFinite))
    }
  }
}
