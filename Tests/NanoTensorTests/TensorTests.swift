import NanoTensor
import Synchronization
import Testing

@Test func copiesShareUntilWritten() {
  let original = Tensor([1, 2, 3], shape: [3])
  var copy = original
  copy.withMutableElements { $0[0] = 9 }
  #expect(original.scalars == [1, 2, 3] && copy.scalars == [9, 2, 3])
}

/// Bytes that `make` adds to the pool. Tests beside this one use the pool too: the reading counts that is seen
/// before and after undisturbed.
func pooledBytes<Kept>(_ make: () -> Kept) -> Int? {
  for _ in 0..<100_000 {
    let before = MemoryPool.shared.statistics
    let during = withExtendedLifetime(make()) { MemoryPool.shared.statistics.currentBytes }
    let after = MemoryPool.shared.statistics
    if after.currentBytes == before.currentBytes && after.allocationCount == before.allocationCount + 1 {
      return during - before.currentBytes
    }
  }
  return nil
}

@Test func memoryIsCounted() throws {
  let bytes = try #require(pooledBytes { Tensor(zeros: [100, 100]) })
  #expect(bytes >= 40_000 && bytes <= 50_000)
}

@Test func notFiniteIsSeen() {
  #expect(Tensor([1, 3e38, 3e38], shape: [3]).isFinite)
  #expect(!Tensor([1, .nan], shape: [2]).isFinite)
  #expect(!Tensor([-.infinity], shape: [1]).isFinite)
}

@Test(arguments: [1, 2, 4]) func everyIndexRunsOnce(threads: Int) {
  let pool = WorkerPool(threadCount: threads)
  for count in [0, 1, 2, 3, 100] {
    let runs = Mutex([Int](repeating: 0, count: count))
    pool.run(count) { index in runs.withLock { $0[index] += 1 } }
    #expect(runs.withLock { $0 } == Array(repeating: 1, count: count))
  }
}

@Test func nestedRunsFinish() {
  let total = Atomic(0)
  WorkerPool.shared.run(3) { _ in
    WorkerPool.shared.run(5) { _ in _ = total.add(1, ordering: .relaxed) }
  }
  #expect(total.load(ordering: .relaxed) == 15)
}

@Test func decompositionRebuildsItsMatrix() throws {
  let matrix = Tensor([3, 1, 2, -1, 0.5, 4], shape: [2, 3])
  let svd = try SingularValueDecomposition(of: matrix)
  let s = svd.values.scalars
  let scaled = Tensor(svd.left.scalars.enumerated().map { $1 * s[$0 % 2] }, shape: [2, 2])
  let rebuilt = scaled.matrixProduct(svd.rightTransposed).scalars
  #expect(zip(rebuilt, matrix.scalars).allSatisfy { abs($0 - $1) < 1e-5 })
}
