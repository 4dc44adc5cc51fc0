internal import NanoAutograd
internal import NanoTensor

/// What a router leaves for a recorder: numbers, or tensors on a GPU that have them when its work is done.
struct RoutingReport {
  private let rowCount: Int
  private let routed: Routed
  /// Nil where they were not asked for.
  private let balanceLoss, zLoss: Tensor?

  private enum Routed {
    case known(loads: [Int], entropySum: Double, largestLogit: Float)
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
        loads: selection.loads, entropySum: selection.scoreEntropies.reduce(0, +),
        largestLogit: logits.scalars.max() ?? 0)
    }
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
    let (loads, entropySum, largestLogit): ([Int], Double, Float)
    switch routed {
    case .known(let knownLoads, let sum, let largest):
      (loads, entropySum, largestLogit) = (knownLoads, sum, largest)
    case .summary:
      let summary = numbers.removeFirst()
      let experts = summary.count - 2
      // Where work has failed the numbers are whatever was there.
      loads = summary[..<experts].map { Int(exactly: $0) ?? 0 }
      (entropySum, largestLogit) = (Double(summary[experts]), summary[experts + 1])
    }
    let rows = Double(rowCount)
    return RoutingStatistics(
      loads: loads, rowCount: rowCount, entropySum: entropySum, largestLogit: largestLogit,
      balanceLossSum: Double(balance) * rows, zLossSum: Double(z) * rows)
  }
}
