internal import NanoAutograd
internal import NanoTensor

/// What a router leaves for a recorder: numbers, or tensors on a GPU that have them when its work is done.
struct RoutingReport {
  private let rowCount: Int
  private let routed: Routed
  /// Nil where they were not asked for.
  private let balanceLoss, zLoss: Tensor?

  private enum Routed {
    case known(RoutingStatistics)
    /// The loads, then the sum of the entropies and the largest logit.
    case summary(Tensor)
  }

  init(_ selection: ExpertSelection, logits: Tensor, balanceLoss: Tensor?, zLoss: Tensor?) {
    rowCount = selection.rowCount
    self.balanceLoss = balanceLoss
    self.zLoss = zLoss
    if let summary = selection.summary {
      routed = .summary(summary)
    } else {
      routed = .known(
        RoutingStatistics(
          loads: selection.loads, rowCount: rowCount, entropySum: selection.scoreEntropies.reduce(0, +),
          largestLogit: logits.scalars.max() ?? 0))
    }
  }

  init(_ statistics: RoutingStatistics) {
    rowCount = statistics.rowCount
    (balanceLoss, zLoss) = (nil, nil)
    routed = .known(statistics)
  }

  /// What it is read from.
  var tensors: [Tensor] {
    var tensors = [balanceLoss, zLoss].compactMap { $0 }
    if case .summary(let summary) = routed { tensors.append(summary) }
    return tensors
  }

  /// - Parameter numbers: the elements of ``tensors``.
  func statistics(_ numbers: ArraySlice<[Float]>) -> RoutingStatistics {
    var numbers = numbers
    let balance = balanceLoss == nil ? 0 : numbers.removeFirst()[0]
    let z = zLoss == nil ? 0 : numbers.removeFirst()[0]
    var result: RoutingStatistics
    switch routed {
    case .known(let statistics): result = statistics
    case .summary:
      let summary = numbers.removeFirst()
      let experts = summary.count - 2
      // Where work has failed the numbers are whatever was there.
      result = RoutingStatistics(
        loads: summary[..<experts].map { Int(exactly: $0) ?? 0 }, rowCount: rowCount,
        entropySum: Double(summary[experts]), largestLogit: summary[experts + 1])
    }
    result.balanceLossSum += Double(balance) * Double(rowCount)
    result.zLossSum += Double(z) * Double(rowCount)
    return result
  }
}
