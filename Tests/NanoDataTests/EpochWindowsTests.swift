import NanoTestSupport
import Testing

@testable import NanoData

@Test func shuffledOrdersArePermutations() {
  for count in Array(1...130) + [4_095, 4_096, 4_097, 31_370] {
    var generator = SeededGenerator(seed: UInt64(count))
    let order = ShuffledOrder(count: count, using: &generator)
    #expect((0..<count).map { order[$0] }.sorted() == Array(0..<count))
  }
}

@Test func shuffledOrdersDifferAndAreDisordered() {
  let count = 10_000
  func order(_ seed: UInt64) -> [Int] {
    var generator = SeededGenerator(seed: seed)
    let order = ShuffledOrder(count: count, using: &generator)
    return (0..<count).map { order[$0] }
  }
  let (first, second) = (order(1), order(2))
  // Two random orders agree in one place on average, and half of all neighbours rise.
  #expect(zip(first, second).count { $0 == $1 } < 12)
  #expect(zip(first, first.indices).count { $0 == $1 } < 12)
  let rises = zip(first, first.dropFirst()).count { $0 < $1 }
  #expect(abs(rises - count / 2) < 200)
}

@Test(arguments: [(900, 8), (901, 8), (64, 32), (33, 32), (47, 32), (5, 1)])
func epochsReadEveryWindowOnce(tokenCount: Int, length: Int) {
  let windows = EpochWindows(tokenCount: tokenCount, length: length)
  func starts(_ epoch: Int) -> [Int] {
    (0..<windows.count).map { index in
      windows.start(of: epoch * windows.count + index) { SeededGenerator(seed: 40 + UInt64($0)) }
    }
  }
  for epoch in 0..<4 {
    let starts = starts(epoch)
    let sorted = starts.sorted()
    #expect(sorted.first! >= 0 && sorted.last! + length + 1 <= tokenCount)
    #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $1 - $0 == length })
    // Less than two windows are left out, at both ends together.
    #expect(sorted.count * length > tokenCount - 2 * length - 1)
  }
  if windows.count > 50 { #expect(starts(0).map { $0 / length } != starts(1).map { $0 / length }) }
  if length > 1, tokenCount > 2 * length { #expect(Set((0..<8).map { starts($0).min()! }).count > 1) }
}

@Test func batchesOfEpochsGoOnWhereTheLastStepEnded() {
  let tokens = (0..<Int32(1_000)).map { $0 }
  let text = TokenizedText(tokens[...], byteCount: 1_000, before: 0)
  let batches = (0..<31).map { step in
    text.batch(step: step, sequenceCount: 4, sequenceLength: 8) { SeededGenerator(seed: UInt64($0)) }
  }
  let read = batches.flatMap(\.inputs)
  #expect(batches.allSatisfy { zip($0.inputs, $0.targets).allSatisfy { $0 + 1 == $1 } })
  #expect(read.count == 31 * 4 * 8 && Set(read).count == read.count)
}
