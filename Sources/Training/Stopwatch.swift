/// Seconds since it was made.
public struct Stopwatch: Sendable {
  private let start = ContinuousClock.now

  /// A watch that runs from now on.
  public init() {}

  /// Since it was made.
  public var seconds: Double {
    let (seconds, attoseconds) = (ContinuousClock.now - start).components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }
}

extension Collection<Double> {
  /// 0 for none.
  public var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }

  /// The middle of the sorted values, the mean of the two middle ones for an even count; 0 for none.
  public var median: Double {
    guard !isEmpty else { return 0 }
    let sorted = sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
