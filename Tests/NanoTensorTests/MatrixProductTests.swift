import CEmulatedKernels
import CNanoKernels
import NanoTensor
import TensorTestSupport
import Testing

struct ProductCase: Sendable, CustomTestStringConvertible {
  let rows, columns, depth: Int
  var testDescription: String { "\(rows)×\(columns)×\(depth)" }

  static let all = [
    (1, 1, 1), (5, 7, 3), (13, 33, 17), (64, 65, 64), (37, 192, 300), (100, 300, 70), (20, 1100, 40),
    (6, 16, 0), (19, 31, 12), (48, 80, 96), (21, 20, 33), (9, 48, 40), (40, 20, 1100), (3, 1060, 520),
  ].map { ProductCase(rows: $0.0, columns: $0.1, depth: $0.2) }
}

/// Which numbers of a product are bfloat16 in memory.
private struct Halves: OptionSet {
  let rawValue: Int
  static let a = Halves(rawValue: 1)
  static let b = Halves(rawValue: 2)
  static let c = Halves(rawValue: 4)
  static let all = (0..<8).map(Halves.init(rawValue:))
}

/// Memory for the length of a test.
private final class Memory<Element: BitwiseCopyable> {
  let start: UnsafeMutablePointer<Element>

  init(_ elements: [Element]) {
    start = .allocate(capacity: elements.count)
    start.initialize(from: elements, count: elements.count)
  }

  deinit { start.deallocate() }
}

/// Largest error of a product kernel over transpositions and addends, against sums in Double of products of
/// operands that are rounded first; of a result in bfloat16, what is beyond its own rounding.
private func worstError(
  _ size: ProductCase, rounding rounded: (Float) -> Float = { $0 }, halves: Halves = [],
  _ kernel: (UnsafePointer<nk_gemm>?) -> Void
) -> Double {
  let (m, n, k) = (size.rows, size.columns, size.depth)
  let (a, b) = (wave([m, max(k, 1)], frequency: 0.7), wave([max(k, 1), n], frequency: 1.3))
  let (roundedA, roundedB) = (a.scalars.map(rounded), b.scalars.map(rounded))
  let (floatsA, floatsB) = (Memory(a.scalars), Memory(b.scalars))
  let d = Memory(wave([m, n], frequency: 0.3).scalars)
  let (halvesA, halvesB) = (Memory(roundedA.map(upperHalf)), Memory(roundedB.map(upperHalf)))
  // The result lies in rows of more numbers than it has columns; those behind them stay as they are.
  let rowStride = n + 3
  var worst = 0.0
  for transposesA in [false, true] {
    for transposesB in [false, true] {
      for addendRow in [-1, 0, n] {
        let c = Memory([Float](repeating: 7, count: m * rowStride))
        let halvesC = Memory([UInt16](repeating: upperHalf(7), count: m * rowStride))
        var p = nk_gemm(
          rows: m, columns: n, depth: k,
          a: halves.contains(.a)
            ? operand(halvesA.start, NK_BF16, transposed: transposesA, stride: transposesA ? m : k)
            : operand(floatsA.start, transposed: transposesA, stride: transposesA ? m : k),
          b: halves.contains(.b)
            ? operand(halvesB.start, NK_BF16, transposed: transposesB, stride: transposesB ? k : n)
            : operand(floatsB.start, transposed: transposesB, stride: transposesB ? k : n),
          c: halves.contains(.c)
            ? nk_result(start: halvesC.start, format: NK_BF16, stride: rowStride)
            : nk_result(start: c.start, format: NK_FP32, stride: rowStride),
          addend: nk_addend(
            start: addendRow < 0 ? nil : UnsafePointer(d.start), stride: max(addendRow, 0),
            factor: addendRow == n ? 1 : 2),
          alpha: addendRow == n ? 1 : 0.5, triangle: NK_FULL)
        kernel(&p)
        for i in 0..<m {
          for j in 0..<rowStride {
            let at = i * rowStride + j
            let result =
              halves.contains(.c)
              ? Float(bitPattern: UInt32(halvesC.start[at]) << 16) : c.start[at]
            guard j < n else {
              if result != 7 { return .infinity }
              continue
            }
            var sum = 0.0
            for q in 0..<k {
              sum +=
                Double(roundedA[transposesA ? q * m + i : i * k + q])
                * Double(roundedB[transposesB ? j * k + q : q * n + j])
            }
            sum *= Double(p.alpha)
            if addendRow >= 0 { sum += Double(p.addend.factor) * Double(d.start[i * addendRow + j]) }
            let allowed = halves.contains(.c) ? abs(sum) * 0x1p-8 : 0
            worst = max(worst, abs(sum - Double(result)) - allowed)
          }
        }
      }
    }
  }
  return worst
}

private func upperHalf(_ x: Float) -> UInt16 { UInt16(x.bitPattern >> 16) }

/// To nearest even.
private func roundedToBFloat16(_ x: Float) -> Float {
  let bits = x.bitPattern
  return Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
}

@Test(arguments: InstructionSet.allCases.filter(\.isSupported), ProductCase.all)
func productMatchesDouble(set: InstructionSet, size: ProductCase) throws {
  let kernels = try set.kernels()
  #expect(worstError(size) { kernels.gemm($0) } < 2e-5)
  #expect(worstError(size) { kernels.gemm_split($0) } < 2e-4)
  for halves in Halves.all {
    #expect(
      worstError(size, rounding: roundedToBFloat16, halves: halves) {
        kernels.gemm_bf16($0)
      } < 2e-5)
  }
}

/// The code of tiles and of pairs, with the instructions emulated: the same bounds on any machine.
@Test(arguments: ProductCase.all)
func emulatedTilesMatchDouble(size: ProductCase) {
  #expect(worstError(size) { nk_gemm_split_emulated($0) } < 2e-4)
  for halves in Halves.all {
    for kernel in [nk_gemm_bf16_emulated, nk_gemm_bf16_pairs_emulated] {
      #expect(
        worstError(size, rounding: roundedToBFloat16, halves: halves) { kernel($0) } < 2e-5)
    }
  }
}

/// Columns that were packed before, of whatever depth, give the same bits as those that the product packs itself.
@Test(arguments: ProductCase.all)
func productsOfPackedOperandsHaveTheSameBits(size: ProductCase) {
  let (m, n, k) = (size.rows, size.columns, size.depth)
  let a = Memory(wave([m, max(k, 1)], frequency: 0.7).scalars)
  let floats = wave([max(k, 1), n], frequency: 1.3).scalars
  let (b, halvesB) = (Memory(floats), Memory(floats.map(upperHalf)))
  let packing = nk_packing_bf16_emulated
  let packed = UnsafeMutableRawPointer.allocate(
    byteCount: max(packing.bytes(k, n), 1), alignment: 64)
  defer { packed.deallocate() }
  for (kernel, transposesA, transposesB, isHalf) in [
    (nk_gemm_bf16_emulated, false, true, false), (nk_gemm_bf16_emulated, true, false, true),
    (nk_gemm_bf16_pairs_emulated, false, false, false),
    (nk_gemm_bf16_pairs_emulated, false, true, true),
  ] {
    let (own, shared) = (
      Memory([Float](repeating: 7, count: m * n)), Memory([Float](repeating: 8, count: m * n))
    )
    var right = operand(
      isHalf ? UnsafeRawPointer(halvesB.start) : UnsafeRawPointer(b.start), isHalf ? NK_BF16 : NK_FP32,
      transposed: transposesB, stride: transposesB ? k : n)
    var p = nk_gemm(
      rows: m, columns: n, depth: k, a: operand(a.start, transposed: transposesA, stride: transposesA ? m : k),
      b: right, c: nk_result(start: own.start, format: NK_FP32, stride: n), addend: nk_addend(), alpha: 1,
      triangle: NK_FULL)
    kernel(&p)
    packing.pack(&right, k, n, packed)
    (p.b.start, p.b.is_packed, p.c.start) = (UnsafeRawPointer(packed), true, UnsafeMutableRawPointer(shared.start))
    kernel(&p)
    #expect((0..<m * n).allSatisfy { own.start[$0] == shared.start[$0] })
  }
}

/// The same in float32 on every instruction set.
@Test(arguments: InstructionSet.allCases.filter(\.isSupported), ProductCase.all)
func floatProductsOfPackedOperandsHaveTheSameBits(set: InstructionSet, size: ProductCase) throws {
  let kernels = try set.kernels()
  let (m, n, k) = (size.rows, size.columns, size.depth)
  let a = Memory(wave([m, max(k, 1)], frequency: 0.7).scalars)
  let b = Memory(wave([max(k, 1), n], frequency: 1.3).scalars)
  let bytes = max(kernels.packing.bytes(k, n), 1)
  let packed = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
  defer { packed.deallocate() }
  for transposesB in [false, true] {
    let (own, shared) = (
      Memory([Float](repeating: 7, count: m * n)), Memory([Float](repeating: 8, count: m * n))
    )
    var right = operand(b.start, transposed: transposesB, stride: transposesB ? k : n)
    var p = nk_gemm(
      rows: m, columns: n, depth: k, a: operand(a.start, transposed: false, stride: k), b: right,
      c: nk_result(start: own.start, format: NK_FP32, stride: n), addend: nk_addend(), alpha: 1, triangle: NK_FULL)
    kernels.gemm(&p)
    kernels.packing.pack(&right, k, n, packed)
    (p.b.start, p.b.is_packed, p.c.start) = (UnsafeRawPointer(packed), true, UnsafeMutableRawPointer(shared.start))
    kernels.gemm(&p)
    #expect((0..<m * n).allSatisfy { own.start[$0] == shared.start[$0] })
  }
}

@Test func bf16RoundsOperandsToNearestEven() {
  // 1 + 2^-8 lies halfway between two bfloat16 numbers and goes to the even one, 1; 1 + 3·2^-8 goes to 1 + 2^-6.
  let x = Tensor([1 + 0x1p-8, 1 + 0x3p-8], shape: [2, 1])
  let one = Tensor([1], shape: [1, 1])
  #expect(x.matmul(one, precision: .bfloat16).scalars == [1, 1 + 0x1p-6])
  #expect(x.matmul(one).scalars == x.scalars)
}

@Test func largeProductsAgreeWithSmallOnes() {
  // 400 is large enough for OpenBLAS where it is installed; rows computed alone never are.
  let a = wave([400, 400], frequency: 0.37)
  let b = wave([400, 400], frequency: 0.91)
  let whole = a.matmul(b).scalars
  let row = Tensor(Array(a.scalars[..<400]), shape: [1, 400]).matmul(b).scalars
  #expect(relativeDifference(Array(whole[..<400]), row) < 1e-5)
}

/// A dword for the instruction on pairs of bfloat16, and a sum: of all exponents, or about where numbers become subnormal.
private func randomBits(_ generator: inout RandomGenerator, among bits: UInt32) -> UInt32 {
  let random = UInt32(truncatingIfNeeded: generator.next())
  switch generator.nextInt(below: 8) {
  case 0: return bits == 32 ? random & 0x80FF_FFFF | 0x0080_0000 : random & 0x80FF_80FF | 0x0080_0080
  case 1: return random & 0x807F_807F
  case 2: return random & 0x1FFF_1FFF | 0x2000_2000
  default: return random & 0xBFFF_BFFF
  }
}

private func expectPairs(_ sum: Float, _ x: UInt32, _ y: UInt32, _ expected: Float) {
  var sums = [Float](repeating: sum, count: 16)
  nk_pair_dot_emulated(&sums, [UInt32](repeating: x, count: 16), [UInt32](repeating: y, count: 16))
  #expect(sums.allSatisfy { $0.bitPattern == expected.bitPattern }, "\(sums[0])")
}

@Test func emulatedPairsAddTheUpperProductFirstAndFlushSubnormals() {
  // 1 + 2⁻²⁴ rounds to 1, but 2⁻²⁴ + 2⁻²⁴ does not get lost before 1 comes.
  expectPairs(0x1p-24, 0x3F80_3380, 0x3F80_3F80, 1)
  expectPairs(0x1p-24, 0x3380_3F80, 0x3F80_3F80, 1 + 0x1p-23)
  // A subnormal operand, sum or result is zero.
  expectPairs(0, 0x0000_0040, 0x0000_7F00, 0)
  expectPairs(0x1p-127, 0, 0, 0)
  expectPairs(0, 0x0000_1F80, 0x0000_1F80, 0)
  expectPairs(-0.0, 0x0000_9F80, 0x0000_1F80, -0.0)
  // 2⁻¹²⁶ less a little: gone, unless it rounds to 2⁻¹²⁶ as if smaller numbers had as many bits.
  expectPairs(0x1p-126, 0x0000_9A40, 0x0000_1980, 0)
  expectPairs(0x1p-126, 0x0000_9A00, 0x0000_1980, 0x1p-126)
}

/// Bit for bit on a million random sums, where the machine has the instruction.
@Test(.enabled(if: nk_has_pairs())) func emulatedPairsAreThoseOfTheProcessor() {
  var generator = RandomGenerator(seed: 11)
  for _ in 0..<1_000_000 / 16 {
    let x = (0..<16).map { _ in randomBits(&generator, among: 16) }
    let y = (0..<16).map { _ in randomBits(&generator, among: 16) }
    let sums = (0..<16).map { _ in Float(bitPattern: randomBits(&generator, among: 32)) }
    var (emulated, real) = (sums, sums)
    nk_pair_dot_emulated(&emulated, x, y)
    nk_pair_dot(&real, x, y)
    #expect(emulated.map(\.bitPattern) == real.map(\.bitPattern), "\(sums) \(x) \(y)")
  }
}
