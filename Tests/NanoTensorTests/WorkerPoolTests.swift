import NanoTensor
import Synchronization
import Testing

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
