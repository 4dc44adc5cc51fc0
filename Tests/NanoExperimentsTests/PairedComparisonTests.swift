import NanoTensor
import Testing

@testable import NanoExperiments

/// SciPy 1.17.1: `stats.t.ppf` and `2 * stats.t.sf`.
@Test(arguments: [
  (1.0, 12.706204736174694, 6.313751514675037, 0.20483276469913345, 0.015912179824051624),
  (2, 4.302652729749462, 2.9199855803537242, 0.09546596626670913, 0.0006244146721847406),
  (4, 2.7764451051977934, 2.1318467863266495, 0.03994196807171883, 2.3340163226012678e-06),
  (9, 2.262157162798205, 1.833112932656237, 0.014956363910414222, 1.8982998449339822e-11),
])
func studentsDistributionIsSciPys(degrees: Double, at5: Double, at10: Double, tailOf3: Double, tailOf40: Double) {
  let student = StudentDistribution(degreesOfFreedom: degrees)
  for (found, expected) in [
    (student.criticalValue(twoSidedTail: 0.05), at5), (student.criticalValue(twoSidedTail: 0.1), at10),
    (student.twoSidedTail(3), tailOf3), (student.twoSidedTail(-40), tailOf40),
  ] {
    #expect(abs(found - expected) < 1e-12 * expected)
  }
}

/// SciPy's `ttest_rel` and its `confidence_interval`.
@Test func pairedSeedsGiveStudentsInterval() throws {
  let comparison = PairedComparison([1.6759, 1.6820, 1.6739], [1.7369, 1.7270, 1.7147])
  let interval = try #require(comparison.interval)
  #expect(abs(interval.lowerBound - -0.07541164677322407) < 1e-14)
  #expect(abs(interval.upperBound - -0.022455019893442778) < 1e-14)
  #expect(abs(try #require(comparison.pValue) - 0.015450467984279343) < 1e-14)
  #expect(comparison.verdict == .better)
  #expect(PairedComparison([1.7369, 1.7270, 1.7147], [1.6759, 1.6820, 1.6739]).verdict == .worse)
}

@Test func littleIsSaidOfLittle() {
  #expect(PairedComparison([1], [2]).verdict == .unknown)
  #expect(PairedComparison([1, 2, 3], [1, 2, 3]).verdict == .identical)
  #expect(PairedComparison([1, 2, 3], [2, 2, 2]).verdict == .noDifferenceShown)
  let close = [1.001, 1.999, 3.0005]
  #expect(PairedComparison(close, [1, 2, 3], margin: 0.01).verdict == .equalWithinMargin)
  #expect(PairedComparison(close, [1, 2, 3], margin: 0.001).verdict == .noDifferenceShown)
}

@Test func holmsAdjustmentKeepsTheChanceOfAnyFalseResult() {
  let adjusted = PairedComparison.adjusted([0.01, 0.04, 0.03, 0.005])
  for (found, expected) in zip(adjusted, [0.03, 0.06, 0.06, 0.02]) { #expect(abs(found - expected) < 1e-15) }
}

/// Arms that are equal are called different in at most one of twenty studies, at every number of seeds.
@Test(arguments: 2...10)
func equalArmsAreSeldomCalledDifferent(count: Int) {
  var generator = RandomGenerator(seed: UInt64(count))
  let studies = 20_000
  let different = (0..<studies).count { _ in
    func values() -> [Double] { (0..<count).map { _ in Double(generator.nextNormal()) } }
    return [.better, .worse].contains(PairedComparison(values(), values()).verdict)
  }
  // Three standard errors of the simulation beside the promise.
  #expect(abs(Double(different) / Double(studies) - 0.05) < 0.0047)
}
