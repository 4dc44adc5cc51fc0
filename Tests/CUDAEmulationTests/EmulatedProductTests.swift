import Testing

/// cuBLASLt's products: D = α · op(A) · op(B) + β · C (+ bias), column-major.
@Suite(.enabled(if: EmulatedLibrary.isBuilt, "swift build -c release --product CUDAEmulation"), .serialized)
struct EmulatedProductTests {
  typealias Handle = EmulatedLibrary.Handle

  struct Case: CustomTestStringConvertible {
    var transposesA, transposesB, isHalf, isHalfResult, hasBias: Bool
    var batchCount: Int
    var alpha: Float = 0.5
    var beta: Float

    var testDescription: String {
      "\(transposesA ? "Aᵀ" : "A")\(transposesB ? "Bᵀ" : "B") \(isHalf ? "bf16" : "float")"
        + " \(isHalfResult ? "bf16" : "float") bias \(hasBias) ×\(batchCount) β \(beta)"
    }

    static let all = (0..<48).map { number in
      Case(
        transposesA: number & 1 == 1, transposesB: number & 2 == 2, isHalf: number / 4 % 3 > 0,
        isHalfResult: number / 4 % 3 == 2, hasBias: number / 12 & 1 == 1, batchCount: number / 24 == 1 ? 3 : 1,
        beta: number / 12 & 1 == 1 ? 1 : 0)
    }
  }

  /// Numbers of a few binary digits, that bfloat16 has too.
  private static func numbers(_ count: Int, _ seed: Int) -> [Float] {
    (0..<count).map { Float(($0 * 37 + seed * 11) % 101 - 50) / 16 }
  }

  private static func halves(_ numbers: [Float]) -> [UInt16] { numbers.map { UInt16($0.bitPattern >> 16) } }

  @Test(arguments: Case.all)
  func matchesTheSumsInDouble(_ c: Case) throws {
    let library = try EmulatedLibrary()
    let (rows, depth, columns) = (12, 20, 7)
    let (storedA, storedB) = (
      c.transposesA ? (depth, rows) : (rows, depth), c.transposesB ? (columns, depth) : (depth, columns)
    )
    // Columns lie further apart than they are long.
    let (leadingA, leadingB, leadingD) = (storedA.0 + 8, storedB.0 + 16, rows + 8)
    let (sizeA, sizeB, sizeD) = (leadingA * storedA.1, leadingB * storedB.1, leadingD * columns)
    let a = Self.numbers(sizeA * c.batchCount, 1), b = Self.numbers(sizeB * c.batchCount, 2)
    let before = Self.numbers(sizeD * c.batchCount, 3), bias = Self.numbers(rows, 4)

    func uploaded(_ values: [Float], _ isHalf: Bool) throws -> UInt64 {
      isHalf ? try library.uploaded(Self.halves(values)) : try library.uploaded(values)
    }
    let addresses = [
      try uploaded(a, c.isHalf), try uploaded(b, c.isHalf), try uploaded(before, c.isHalfResult),
      try uploaded(bias, c.isHalfResult),
    ]
    let layouts = [
      layout(library, c.isHalf, storedA, leadingA, c.batchCount, sizeA),
      layout(library, c.isHalf, storedB, leadingB, c.batchCount, sizeB),
      layout(library, c.isHalfResult, (rows, columns), leadingD, c.batchCount, sizeD),
    ]
    try multiply(library, c, addresses, layouts)
    let result: [Float] =
      c.isHalfResult
      ? try library.downloaded(UInt16(0), addresses[2], count: before.count).map {
        Float(bitPattern: UInt32($0) << 16)
      } : try library.downloaded(Float(0), addresses[2], count: before.count)

    for batch in 0..<c.batchCount {
      for column in 0..<columns {
        for row in 0..<leadingD {
          let index = batch * sizeD + column * leadingD + row
          guard row < rows else {
            #expect(result[index] == before[index], "behind column \(column)")
            continue
          }
          var sum = 0.0
          for k in 0..<depth {
            let indexA = batch * sizeA + (c.transposesA ? row * leadingA + k : k * leadingA + row)
            let indexB = batch * sizeB + (c.transposesB ? k * leadingB + column : column * leadingB + k)
            sum += Double(a[indexA]) * Double(b[indexB])
          }
          let expected =
            Double(c.alpha) * sum + Double(c.beta) * Double(before[index]) + (c.hasBias ? Double(bias[row]) : 0)
          let tolerance = (c.isHalfResult ? 1.0 / 256 : 1e-6) * max(1, abs(expected))
          #expect(abs(Double(result[index]) - expected) <= tolerance, "row \(row), column \(column)")
        }
      }
    }
  }

  @Test func contradictoryExtentsAreRefused() throws {
    let library = try EmulatedLibrary()
    var description: Handle?
    _ = createDescription(library, &description)
    let a = layout(library, false, (12, 20), 12, 1, 0), b = layout(library, false, (19, 7), 19, 1, 0)
    let d = layout(library, false, (12, 7), 12, 1, 0)
    #expect(heuristic(library, description, [a, b, d]).status == 7)
  }

  // MARK: Calls

  private func createDescription(_ library: EmulatedLibrary, _ description: inout Handle?) -> Int32 {
    library.function(
      "cublasLtMatmulDescCreate",
      as: (@convention(c) (UnsafeMutablePointer<Handle?>, Int32, Int32) -> Int32).self)(&description, 68, 0)
  }

  private func set<Value: BitwiseCopyable>(
    _ library: EmulatedLibrary, _ setter: String, _ object: Handle?, _ attribute: Int32, _ value: Value
  ) -> Int32 {
    withUnsafeBytes(of: value) {
      library.function(setter, as: (@convention(c) (Handle?, Int32, UnsafeRawPointer, Int) -> Int32).self)(
        object, attribute, $0.baseAddress!, $0.count)
    }
  }

  private func layout(
    _ library: EmulatedLibrary, _ isHalf: Bool, _ extents: (Int, Int), _ leading: Int, _ batchCount: Int, _ offset: Int
  ) -> Handle? {
    var layout: Handle?
    _ = library.function(
      "cublasLtMatrixLayoutCreate",
      as: (@convention(c) (UnsafeMutablePointer<Handle?>, Int32, UInt64, UInt64, Int64) -> Int32).self)(
        &layout, isHalf ? 14 : 0, UInt64(extents.0), UInt64(extents.1), Int64(leading))
    _ = set(library, "cublasLtMatrixLayoutSetAttribute", layout, 5, Int32(batchCount))
    _ = set(library, "cublasLtMatrixLayoutSetAttribute", layout, 6, Int64(offset))
    return layout
  }

  private func heuristic(
    _ library: EmulatedLibrary, _ description: Handle?, _ layouts: [Handle?]
  ) -> (status: Int32, result: [UInt64]) {
    var preference: Handle?
    _ = library.function(
      "cublasLtMatmulPreferenceCreate", as: (@convention(c) (UnsafeMutablePointer<Handle?>) -> Int32).self)(&preference)
    for attribute in 5...8 as ClosedRange<Int32> {
      _ = set(library, "cublasLtMatmulPreferenceSetAttribute", preference, attribute, UInt32(16))
    }
    var (result, count) = ([UInt64](repeating: 0, count: 12), Int32(0))
    let status = library.function(
      "cublasLtMatmulAlgoGetHeuristic",
      as: (@convention(c) (
        Handle?, Handle?, Handle?, Handle?, Handle?, Handle?, Handle?, Int32, UnsafeMutableRawPointer,
        UnsafeMutablePointer<Int32>
      ) -> Int32).self)(
        nil, description, layouts[0], layouts[1], layouts[2], layouts[2], preference, 1, &result, &count)
    return (status, result)
  }

  private func multiply(
    _ library: EmulatedLibrary, _ c: Case, _ addresses: [UInt64], _ layouts: [Handle?]
  ) throws {
    var description: Handle?
    #expect(createDescription(library, &description) == 0)
    let setter = "cublasLtMatmulDescSetAttribute"
    #expect(set(library, setter, description, 3, Int32(c.transposesA ? 1 : 0)) == 0)
    #expect(set(library, setter, description, 4, Int32(c.transposesB ? 1 : 0)) == 0)
    if c.hasBias {
      #expect(set(library, setter, description, 7, Int32(4)) == 0)
      #expect(set(library, setter, description, 8, addresses[3]) == 0)
    }
    let (status, algorithm) = heuristic(library, description, layouts)
    #expect(status == 0)
    var (alpha, beta) = (c.alpha, c.beta)
    let result = UnsafeMutableRawPointer(bitPattern: UInt(addresses[2]))
    let multiplied = library.function(
      "cublasLtMatmul",
      as: (@convention(c) (
        Handle?, Handle?, UnsafeRawPointer, UnsafeRawPointer?, Handle?, UnsafeRawPointer?, Handle?, UnsafeRawPointer,
        UnsafeRawPointer?, Handle?, UnsafeMutableRawPointer?, Handle?, UnsafeRawPointer, Handle?, Int, Handle
      ) -> Int32).self)(
        nil, description, &alpha, UnsafeRawPointer(bitPattern: UInt(addresses[0])), layouts[0],
        UnsafeRawPointer(bitPattern: UInt(addresses[1])), layouts[1], &beta, result, layouts[2], result, layouts[2],
        algorithm, nil, 0, library.stream)
    #expect(multiplied == 0)
  }
}
