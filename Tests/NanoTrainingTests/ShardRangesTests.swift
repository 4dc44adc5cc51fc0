import NanoModels
import Testing

@testable import NanoTraining

@Test func shardsCoverABatchAndEndWithShortOnes() {
  for length in 1...40 {
    for count in 1...50 {
      let ranges = ShardRanges(of: 3..<3 + length, count: count).ranges
      #expect(ranges.count == min(count, length))
      #expect(ranges.flatMap(Array.init) == Array(3..<3 + length))
      #expect(!ranges.contains { $0.isEmpty })
    }
  }
  #expect(ShardRanges(of: 0..<16, count: 2).ranges.map(\.count) == [8, 8])
  #expect(ShardRanges(of: 0..<16, count: 6).ranges.map(\.count) == [4, 3, 3, 3, 2, 1])
}
