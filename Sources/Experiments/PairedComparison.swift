internal import NanoPreconditions

/// What runs of two arms with the same seeds show of their difference: Student's t of the paired differences.
///
/// With few seeds t keeps its promise where resampling does not: bootstrap intervals of nominally 95% cover 71% at three
/// pairs. An exact test of signs or ranks can never give p below 2^(1-n), which is 0.0625 at five pairs.
public struct PairedComparison: Hashable, Sendable, Codable {
  /// What may be said.
  public enum Verdict: String, Hashable, Sendable, Codable {
    /// The first arm's values are lower, and so is the whole interval.
    case better
    case worse
    case noDifferenceShown = "no difference shown"
    /// The 90% interval lies within the margin: two one-sided tests at 5%.
    case equalWithinMargin = "equal within the margin"
    /// Every pair agrees to the last digit.
    case identical
    /// One pair tells nothing of certainty.
    case unknown = "one seed: nothing is known of certainty"
  }

  /// Pairs.
  public let count: Int
  /// Of the differences, first arm minus second.
  public let mean: Double
  /// Of the differences, with n - 1; nil for one pair.
  public let standardDeviation: Double?
  /// The 95% interval of the mean difference; nil for one pair.
  public let interval: ClosedRange<Double>?
  /// Two-sided, of no difference; nil for one pair.
  public let pValue: Double?
  /// The smallest mean difference that this many pairs, scattered as these, could have shown.
  public let smallestShown: Double?
  /// δ, below which a difference does not matter; nil for none.
  public let margin: Double?
  public let verdict: Verdict

  /// - Parameters:
  ///   - first: a value a seed, of which lower is better.
  ///   - second: those of the other arm, in the same order of seeds.
  public init(_ first: [Double], _ second: [Double], margin: Double? = nil) {
    checkPrecondition(
      first.count == second.count && !first.isEmpty,
      "PairedComparison: \(first.count) values and \(second.count); every seed needs one of each")
    let differences = zip(first, second).map { $0 - $1 }
    let n = Double(differences.count)
    count = differences.count
    self.margin = margin
    let mean = differences.reduce(0, +) / n
    self.mean = mean
    guard count > 1 else {
      (standardDeviation, interval, pValue, smallestShown) = (nil, nil, nil, nil)
      verdict = .unknown
      return
    }
    let variance = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    let error = (variance / n).squareRoot()
    let student = StudentDistribution(degreesOfFreedom: n - 1)
    let halfWidth = student.criticalValue(twoSidedTail: 0.05) * error
    standardDeviation = variance.squareRoot()
    interval = mean - halfWidth...mean + halfWidth
    smallestShown = halfWidth
    let isIdentical = differences.allSatisfy { $0 == 0 }
    pValue = isIdentical ? 1 : student.twoSidedTail(mean / error)
    let marginHalfWidth = student.criticalValue(twoSidedTail: 0.1) * error
    if isIdentical {
      verdict = .identical
    } else if let margin, abs(mean) + marginHalfWidth < margin {
      verdict = .equalWithinMargin
    } else if abs(mean) > halfWidth {
      verdict = mean < 0 ? .better : .worse
    } else {
      verdict = .noDifferenceShown
    }
  }

  /// p values of several comparisons, so that the chance of any false one stays what it is for one.
  /// - SeeAlso: Holm, 1979.
  public static func adjusted(_ pValues: [Double]) -> [Double] {
    var adjusted = pValues
    var largest = 0.0
    for (rank, index) in pValues.indices.sorted(by: { pValues[$0] < pValues[$1] }).enumerated() {
      largest = max(largest, min(1, Double(pValues.count - rank) * pValues[index]))
      adjusted[index] = largest
    }
    return adjusted
  }
}
