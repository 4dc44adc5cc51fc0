internal import Foundation
internal import NanoPreconditions
internal import NanoTensor

/// What layers report of a forward computation, in the order in which they ran.
public struct ForwardStatistics: Sendable, Hashable {
  /// One entry an attention layer, in order.
  public var attention: [AttentionStatistics] = []
  /// One entry a sparse mixture, in order.
  public var routing: [RoutingStatistics] = []

  /// Statistics of no layer yet.
  public init() {}

  /// Adds what the same layers saw on other rows.
  public mutating func merge(_ other: ForwardStatistics) {
    if attention.isEmpty && routing.isEmpty {
      self = other
      return
    }
    checkPrecondition(
      attention.count == other.attention.count && routing.count == other.routing.count,
      "ForwardStatistics: of different models")
    for index in attention.indices { attention[index].merge(other.attention[index]) }
    for index in routing.indices { routing[index].merge(other.routing[index]) }
  }
}

/// What an attention layer saw.
public struct AttentionStatistics: Sendable, Hashable {
  /// Of each head, over all unmasked pairs: the largest value that softmax was given.
  public var largestLogits: [Float]

  /// What a layer with as many heads as logits saw.
  public init(largestLogits: [Float]) { self.largestLogits = largestLogits }

  mutating func merge(_ other: AttentionStatistics) {
    largestLogits = zip(largestLogits, other.largestLogits).map { max($0, $1) }
  }
}

/// What a router did.
public struct RoutingStatistics: Sendable, Hashable {
  /// How many rows chose each expert.
  public var loads: [Int]
  /// Rows that were routed.
  public var rowCount: Int
  /// Sum over rows of the entropy, in nats, of the row's normalized scores.
  public var entropySum: Double
  /// The largest router logit.
  public var largestLogit: Float
  /// Sum over rows of the sequence-wise balance loss and of the z-loss, before their coefficients.
  public var balanceLossSum: Double
  /// The z loss, summed over rows.
  public var zLossSum: Double

  /// What a router did with `rowCount` rows, over which the sums are taken; that of entropies is in nats.
  public init(
    loads: [Int], rowCount: Int, entropySum: Double, largestLogit: Float, balanceLossSum: Double = 0,
    zLossSum: Double = 0
  ) {
    self.loads = loads
    self.rowCount = rowCount
    self.entropySum = entropySum
    self.largestLogit = largestLogit
    self.balanceLossSum = balanceLossSum
    self.zLossSum = zLossSum
  }

  mutating func merge(_ other: RoutingStatistics) {
    loads = zip(loads, other.loads).map { $0 + $1 }
    rowCount += other.rowCount
    entropySum += other.entropySum
    largestLogit = max(largestLogit, other.largestLogit)
    balanceLossSum += other.balanceLossSum
    zLossSum += other.zLossSum
  }

  /// Largest load over mean load, minus 1: 0 is perfect balance.
  /// - SeeAlso: Wang et al., 2024, arXiv:2408.15664.
  public var maximalViolation: Double {
    let mean = Double(loads.reduce(0, +)) / Double(max(loads.count, 1))
    return mean > 0 ? Double(loads.max() ?? 0) / mean - 1 : 0
  }

  /// Entropy of the loads, in nats; ln E is perfect balance.
  public var loadEntropy: Double {
    let total = Double(loads.reduce(0, +))
    return loads.reduce(0) { sum, load in
      let share = Double(load) / max(total, 1)
      return share > 0 ? sum - share * log(share) : sum
    }
  }

  /// Mean entropy of the rows' scores, in nats.
  public var routerEntropy: Double { entropySum / Double(max(rowCount, 1)) }
  /// The mean balance loss, without its coefficient.
  public var balanceLoss: Double { balanceLossSum / Double(max(rowCount, 1)) }
  /// The mean z loss, without its coefficient.
  public var zLoss: Double { zLossSum / Double(max(rowCount, 1)) }
}

/// Gathers statistics while layers run, on one thread.
///
/// What a layer leaves in a tensor is read when ``statistics`` is asked for: during a step nothing waits for a
/// device. Asked again after the same computation has run again in the same memory, it reads what is there then.
public final class StatisticsRecorder {
  private var largestLogits: [Tensor] = []
  private var routing: [RoutingReport] = []

  /// A recorder to which nothing has been reported yet.
  public init() {}

  /// What has been reported so far.
  public var statistics: ForwardStatistics {
    var result = ForwardStatistics()
    var numbers = Tensor.scalars(of: largestLogits + routing.flatMap(\.tensors))[...]
    for _ in largestLogits { result.attention.append(AttentionStatistics(largestLogits: numbers.removeFirst())) }
    for report in routing {
      result.routing.append(report.statistics(numbers.prefix(report.tensors.count)))
      numbers.removeFirst(report.tensors.count)
    }
    return result
  }

  /// What an attention layer saw.
  /// - Parameter largestLogits: one a head.
  public func record(largestLogits: Tensor) { self.largestLogits.append(largestLogits) }

  /// What a router did, where the host knows it already.
  public func record(_ statistics: RoutingStatistics) { record(RoutingReport(statistics)) }

  func record(_ report: RoutingReport) { routing.append(report) }
}
