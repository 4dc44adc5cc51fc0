import TensorTestSupport
import Testing

@testable import NanoTensor

/// Runs `body` with three threads in each operation.
private func shared<Result>(_ body: () -> Result) -> Result { WorkerPool(threadCount: 3).sharingOperations(body) }

/// Large enough to be cut, in both directions, and into a last part that is shorter.
private let productSizes = [(rows: 700, columns: 130, depth: 600), (100, 1_000, 400), (600, 600, 300)]

@Test(arguments: productSizes, [Precision.float32, .bfloat16])
func productsByThreadsThatShareThemAreEqual(
  size: (rows: Int, columns: Int, depth: Int), precision: Precision
) {
  let (rows, columns, depth) = size
  let (a, b) = (wave([rows, depth], frequency: 0.7), wave([depth, columns], frequency: 1.3))
  let (aTurned, bTurned) = (wave([depth, rows], frequency: 0.7), wave([columns, depth], frequency: 1.3))
  let addends: [Addend?] = [
    nil, .bias(wave([columns], frequency: 0.3)), .matrix(wave([rows, columns], frequency: 0.4), times: 0.5),
    .result(times: 1),
  ]
  for left in [a.matrix, aTurned.matrix.transposed] {
    for right in [b.matrix, bTurned.matrix.transposed] {
      for addend in addends {
        func product() -> [Float] {
          // Rows lie further apart than they are wide.
          var result = wave([rows, columns + 5], frequency: 0.9)
          matmul(
            left, right, into: &result, from: 2, rowStride: columns + 5, scale: 1, adding: addend, precision: precision)
          return result.scalars
        }
        #expect(relativeDifference(shared { product() }, product()) < 1e-5)
      }
    }
  }
}

@Test func elementsAreWorkedOnOnceByThreadsThatShareThem() {
  let (x, y) = (wave([300, 1_000], frequency: 0.7), wave([300, 1_000], frequency: 1.1))
  func results() -> [[Float]] {
    var (sum, scaled) = (x, x)
    sum += y
    scaled *= 3
    return [(x + y).scalars, (x - y).scalars, (x * y).scalars, (x * 2).scalars, sum.scalars, scaled.scalars]
  }
  #expect(shared { results() } == results())
}

@Test func sumsOfSharedRowsAreClose() {
  let x = wave([3_000, 100], frequency: 0.7)
  func sums() -> [Float] {
    var result = wave([100], frequency: 0.2)
    kernels.addRowSums(of: x, groupsOf: 3_000, to: &result)
    return result.scalars
  }
  #expect(relativeDifference(shared { sums() }, sums()) < 1e-5)
}

@Test func partsCoverEverythingOnce() {
  for (count, size) in [(0, 4), (1, 4), (4, 4), (5, 4), (103, 10)] {
    var visits = [Int](repeating: 0, count: count)
    visits.withUnsafeMutableBufferPointer { visits in
      shared { SharedWork.forEachPart(of: count, size: size) { for index in $0 { visits[index] += 1 } } }
    }
    #expect(visits == [Int](repeating: 1, count: count))
  }
}

/// Otherwise what a part computes would depend on which thread it is.
@Test func partsAreNotCutOnceMore() {
  var isShared = [Bool](repeating: true, count: 50)
  isShared.withUnsafeMutableBufferPointer { isShared in
    shared {
      SharedWork.forEachPart(of: 50, size: 1) { isShared[$0.lowerBound] = SharedWork.isShared }
    }
  }
  #expect(!isShared.contains(true))
  #expect(!SharedWork.isShared)
}
