import CNanoKernels
import NanoTensor
import NanoTestSupport
import Testing

struct ProductCase: Sendable, CustomTestStringConvertible {
  let rows, columns, depth: Int
  var testDescription: String { "\(rows)×\(columns)×\(depth)" }

  static let all = [
    (1, 1, 1), (5, 7, 3), (13, 33, 17), (64, 65, 64), (37, 192, 300), (100, 300, 70), (20, 1100, 40),
    (6, 16, 0), (19, 31, 12), (21, 20, 33), (9, 48, 40), (40, 20, 1100), (3, 1060, 520),
  ].map { ProductCase(rows: $0.0, columns: $0.1, depth: $0.2) }
}

/// Largest error of a product kernel over transpositions and addends, against sums in Double of products of
/// operands that are rounded first.
private func worstError(
  _ size: ProductCase, rounding rounded: (Float) -> Float = { $0 },
  _ kernel: (UnsafePointer<nk_product>?) -> Void
) -> Double {
  let (m, n, k) = (size.rows, size.columns, size.depth)
  let a = wave([m, max(k, 1)], frequency: 0.7)
  let b = wave([max(k, 1), n], frequency: 1.3)
  let (roundedA, roundedB) = (a.scalars.map(rounded), b.scalars.map(rounded))
  let d = wave([m, n], frequency: 0.3)
  var worst = 0.0
  for transposesA in [false, true] {
    for transposesB in [false, true] {
      for addendRow in [-1, 0, n] {
        var c = [Float](repeating: 7, count: m * n)
        a.withElements { a in
          b.withElements { b in
            d.withElements { d in
              a.withUnsafeBufferPointer { a in
                b.withUnsafeBufferPointer { b in
                  d.withUnsafeBufferPointer { d in
                    c.withUnsafeMutableBufferPointer { c in
                      var p = nk_product(
                        rows: m, columns: n, depth: k, a: a.baseAddress,
                        a_row: transposesA ? 1 : k, a_column: transposesA ? m : 1,
                        b: b.baseAddress, b_row: transposesB ? 1 : n,
                        b_column: transposesB ? k : 1, c: c.baseAddress, c_row: n,
                        addend: addendRow < 0 ? nil : d.baseAddress, addend_row: max(addendRow, 0),
                        alpha: addendRow == n ? 1 : 0.5, beta: addendRow == n ? 1 : 2,
                        triangle: NK_FULL)
                      kernel(&p)
                      for i in 0..<m {
                        for j in 0..<n {
                          var sum = 0.0
                          for q in 0..<k {
                            sum +=
                              Double(roundedA[i * p.a_row + q * p.a_column])
                              * Double(roundedB[q * p.b_row + j * p.b_column])
                          }
                          sum *= Double(p.alpha)
                          if addendRow >= 0 { sum += Double(p.beta) * Double(d[i * addendRow + j]) }
                          worst = max(worst, abs(sum - Double(c[i * n + j])))
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
  return worst
}

/// To nearest even.
private func roundedToBFloat16(_ x: Float) -> Float {
  let bits = x.bitPattern
  return Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
}

@Test(arguments: InstructionSet.allCases.filter(\.isSupported), ProductCase.all)
func productMatchesDouble(set: InstructionSet, size: ProductCase) throws {
  let kernels = try #require(
    nk_kernels_for(
      nk_instruction_set(rawValue: UInt32(InstructionSet.allCases.firstIndex(of: set)!))))
  #expect(worstError(size) { kernels.pointee.product($0) } < 2e-5)
  #expect(worstError(size) { kernels.pointee.product_split($0) } < 2e-4)
  #expect(
    worstError(size, rounding: roundedToBFloat16) { kernels.pointee.product_bf16($0) } < 2e-5)
}

/// The tile code path, with the instructions emulated: the same bounds on any machine.
@Test(arguments: ProductCase.all)
func emulatedTilesMatchDouble(size: ProductCase) {
  #expect(worstError(size) { nk_product_split_emulated($0) } < 2e-4)
  #expect(worstError(size, rounding: roundedToBFloat16) { nk_product_bf16_emulated($0) } < 2e-5)
}

@Test func bf16RoundsOperandsToNearestEven() {
  // 1 + 2^-8 lies halfway between two bfloat16 numbers and goes to the even one, 1; 1 + 3·2^-8 goes to 1 + 2^-6.
  let x = Tensor([1 + 0x1p-8, 1 + 0x3p-8], shape: [2, 1])
  let one = Tensor([1], shape: [1, 1])
  #expect(x.matrixProduct(one, precision: .bfloat16).scalars == [1, 1 + 0x1p-6])
  #expect(x.matrixProduct(one).scalars == x.scalars)
}

@Test func largeProductsAgreeWithSmallOnes() {
  // 400 is large enough for OpenBLAS where it is installed; rows computed alone never are.
  let a = wave([400, 400], frequency: 0.37)
  let b = wave([400, 400], frequency: 0.91)
  let whole = a.matrixProduct(b).scalars
  let row = Tensor(Array(a.scalars[..<400]), shape: [1, 400]).matrixProduct(b).scalars
  #expect(relativeDifference(Array(whole[..<400]), row) < 1e-5)
}
