import NanoModels
import Testing

@testable import NanoTraining

@Test func shardsCoverABatchAndAreAlike() {
  for length in 1...40 {
    for count in 1...50 {
      let ranges = ShardRanges(of: 3..<3 + length, count: count).ranges
      #expect(ranges.count == min(count, length))
      #expect(ranges.flatMap(Array.init) == Array(3..<3 + length))
      let lengths = ranges.map(\.count)
      #expect(lengths.min()! > 0 && lengths.max()! - lengths.min()! <= 1)
    }
  }
}

@Test func ranksOfAsManyShardsHaveAsMuchWork() {
  let lengths = ShardRanges(of: 0..<16, count: 6).ranges.map(\.count)
  let work = { (ranks: Int) in
    (0..<ranks).map { lengths[ShardRanges.shards(of: $0, among: ranks, count: 6)].reduce(0, +) }
  }
  #expect(work(2) == [8, 8])
  #expect(work(3) == [6, 5, 5])
  #expect(work(6) == [3, 3, 2, 3, 3, 2])
}
