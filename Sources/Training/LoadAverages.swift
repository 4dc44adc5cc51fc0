package import NanoLayers

/// Running mean loads of the experts of every mixture.
package struct LoadAverages: Hashable, Sendable, Codable {
  /// One entry a mixture: shares of the assignments.
  package var shares: [[Double]] = []
  private static let decay = 0.98

  package mutating func add(_ routing: [RoutingStatistics]) {
    let now = routing.map { statistics in
      let total = Double(max(1, statistics.loads.reduce(0, +)))
      return statistics.loads.map { Double($0) / total }
    }
    guard !shares.isEmpty else {
      shares = now
      return
    }
    for index in shares.indices {
      shares[index] = zip(shares[index], now[index]).map {
        Self.decay * $0 + (1 - Self.decay) * $1
      }
    }
  }

  /// Whether a model with so many experts in each mixture can have come to them.
  package func fit(expertCounts: [Int]) -> Bool {
    shares.isEmpty
      || shares.map(\.count) == expertCounts && shares.joined().allSatisfy { $0 >= 0 && $0 <= 1.001 }
  }

  package func deadExperts(ofMixture index: Int) -> Int {
    let mean = 1 / Double(max(1, shares[index].count))
    return shares[index].count { $0 < 0.01 * mean }
  }
}
