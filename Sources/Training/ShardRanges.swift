/// Which sequences of a batch each shard takes.
///
/// The last two shards are about half as long as the others: threads differ in speed where others use the machine, and
/// the one that ends first waits for the other's last shard.
struct ShardRanges: Sendable {
  /// One behind the other, none empty.
  let ranges: [Range<Int>]

  /// Cuts `sequences` into `count` shards, or into as many as there are sequences.
  init(of sequences: Range<Int>, count: Int) {
    let count = min(count, sequences.count)
    guard count > 1 else {
      ranges = [sequences]
      return
    }
    // In halves of a long shard: two for each but the last two. Behind each border at least one sequence is left for
    // every shard that follows.
    let halves = 2 * (count - 1)
    let borders = (0...count).map { shard in
      let passed = min(2 * shard, count - 2 + shard)
      let border = (passed * sequences.count + halves - 1) / halves
      return sequences.lowerBound + min(border, sequences.count - count + shard)
    }
    ranges = zip(borders, borders.dropFirst()).map { $0..<$1 }
  }

  /// Which of `count` shards a rank takes: ranks have as many as each other, or the first of them one more. With more
  /// ranks than shards the last ones have none.
  static func shards(of rank: Int, among rankCount: Int, count: Int) -> Range<Int> {
    func border(_ rank: Int) -> Int { rank * (count / rankCount) + min(rank, count % rankCount) }
    return border(rank)..<border(rank + 1)
  }
}
