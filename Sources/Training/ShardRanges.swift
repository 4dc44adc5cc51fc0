/// Which sequences of a batch each shard takes.
///
/// Shards are equal but for one sequence, and the longer ones are spread evenly: threads and ranks that take as many
/// shards as each other have as much work.
struct ShardRanges: Sendable {
  /// One behind the other, none empty.
  let ranges: [Range<Int>]

  /// Cuts `sequences` into `count` shards, or into as many as there are sequences.
  init(of sequences: Range<Int>, count: Int) {
    let count = max(1, min(count, sequences.count))
    func border(_ shard: Int) -> Int { sequences.lowerBound + (shard * sequences.count + count - 1) / count }
    ranges = (0..<count).map { border($0)..<border($0 + 1) }
  }

  /// Which of `count` shards a rank takes: ranks have as many as each other, or the first of them one more. With more
  /// ranks than shards the last ones have none.
  static func shards(of rank: Int, among rankCount: Int, count: Int) -> Range<Int> {
    func border(_ rank: Int) -> Int { rank * (count / rankCount) + min(rank, count % rankCount) }
    return border(rank)..<border(rank + 1)
  }
}
