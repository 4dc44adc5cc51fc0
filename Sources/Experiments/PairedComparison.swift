internal import Foundation
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
    case equalWithinMargin = "equal within δ"
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
  /// Two-sided, of an exact test that flips the signs of the differences in every way; nil for one pair and for more
  /// than ``largestExactCount``.
  public let exactPValue: Double?
  /// The least that such a test can give for this many pairs, 2^(1-n): a p of that is no evidence of no difference.
  public let leastExactPValue: Double
  /// δ, below which a difference does not matter; nil for none.
  public let margin: Double?
  /// What may be said where this is the only comparison.
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
    leastExactPValue = pow(2, 1 - n)
    let mean = differences.reduce(0, +) / n
    self.mean = mean
    guard count > 1 else {
      (standardDeviation, interval, pValue, smallestShown, exactPValue) = (nil, nil, nil, nil, nil)
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
    exactPValue = count > Self.largestExactCount ? nil : Self.signFlipPValue(differences)
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

  /// Pairs for which all flips of signs, 2^n, are tried.
  public static let largestExactCount = 16

  /// The share of all flips of signs whose mean is at least as far from 0.
  private static func signFlipPValue(_ differences: [Double]) -> Double {
    let found = abs(differences.reduce(0, +))
    let flips = 1 << differences.count
    let asFar = (0..<flips).count { flip in
      let sum = differences.indices.reduce(0.0) { $0 + (flip >> $1 & 1 == 0 ? differences[$1] : -differences[$1]) }
      // Sums of the same terms in another order differ in their last digits.
      return abs(sum) >= found * (1 - 1e-12)
    }
    return Double(asFar) / Double(flips)
  }

  /// What may be said where this is one of several comparisons: of those that are called different by chance the
  /// adjusted p keeps account.
  /// - SeeAlso: ``adjusted(_:)``.
  public func verdict(adjustedPValue: Double?) -> Verdict {
    guard verdict == .better || verdict == .worse, let adjustedPValue, adjustedPValue >= 0.05 else { return verdict }
    return .noDifferenceShown
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
