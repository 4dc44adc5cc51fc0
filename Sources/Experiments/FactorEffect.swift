/// What a level of a factor does to the loss, in a study that has an arm for every combination of levels.
public struct FactorEffect: Hashable, Sendable, Codable {
  /// What is set against what.
  public enum Kind: String, Hashable, Sendable, Codable {
    /// Of a level against the factor's first, averaged over all levels of the other factors.
    case main
    /// What two levels together do beyond the sum of what each does.
    case interaction
    /// As a main effect, among the arms that have one level of another factor.
    case simple
  }

  /// Which of the three it is.
  public var kind: Kind
  /// The factor that is varied.
  public var factor: String
  /// The factor's level whose effect this is, never its first.
  public var level: String
  /// The factor's first level.
  public var reference: String
  /// Of an interaction or a simple effect, the level of the other factor.
  public var other: Arm.Level?
  /// Of an interaction, the other factor's first level.
  public var otherReference: String?
  /// For people.
  public var label: String
  /// The differences in the loss, in nats a token, paired by seed; nil where no seed has every arm that it takes.
  public var paired: PairedComparison?
  /// By Holm, over the effects of the kind.
  public var adjustedPValue: Double?
  /// What may be said by the adjusted p; nil where nothing is paired.
  public var verdict: PairedComparison.Verdict?

  /// All effects; none where the arms are no full factorial design of at least two factors.
  static func all(of study: Study, _ losses: [String: [UInt64: Double]]) -> [FactorEffect] {
    guard let design = FactorialDesign(study.arms) else { return [] }
    var effects: [FactorEffect] = []
    for (factor, levels) in design.factors {
      for level in levels.dropFirst() {
        effects.append(
          FactorEffect(
            kind: .main, factor: factor, level: level, reference: levels[0],
            label: "\(level) instead of \(levels[0])"))
        for (other, otherLevels) in design.factors where other != factor {
          for otherLevel in otherLevels {
            effects.append(
              FactorEffect(
                kind: .simple, factor: factor, level: level, reference: levels[0], other: .init(otherLevel, of: other),
                label: "\(level) instead of \(levels[0]), with \(otherLevel)"))
          }
        }
      }
    }
    for (index, (factor, levels)) in design.factors.enumerated() {
      for (other, otherLevels) in design.factors.dropFirst(index + 1) {
        for level in levels.dropFirst() {
          for otherLevel in otherLevels.dropFirst() {
            effects.append(
              FactorEffect(
                kind: .interaction, factor: factor, level: level, reference: levels[0],
                other: .init(otherLevel, of: other), otherReference: otherLevels[0],
                label: "\(level) and \(otherLevel) together, beyond the sum of both"))
          }
        }
      }
    }
    effects = [.main, .interaction, .simple].flatMap { kind in effects.filter { $0.kind == kind } }
    for index in effects.indices {
      let (first, second) = effects[index].sides(design, losses)
      effects[index].paired = PairedComparison(first, second, margin: study.margin)
    }
    for kind in [Kind.main, .interaction, .simple] {
      let family = effects.indices.filter { effects[$0].kind == kind }
      for (index, adjusted) in zip(family, PairedComparison.adjusted(family.map { effects[$0].paired })) {
        effects[index].adjustedPValue = adjusted
        effects[index].verdict = effects[index].paired?.verdict(adjustedPValue: adjusted)
      }
    }
    return effects
  }

  /// By seed, the two values of which the effect is the difference.
  private func sides(
    _ design: FactorialDesign, _ losses: [String: [UInt64: Double]]
  ) -> (first: [UInt64: Double], second: [UInt64: Double]) {
    func mean(_ levels: [Arm.Level]) -> [UInt64: Double] { design.mean(of: losses, with: levels) }
    let (own, reference) = (Arm.Level(level, of: factor), Arm.Level(self.reference, of: factor))
    guard let other else { return (mean([own]), mean([reference])) }
    guard let otherReference else { return (mean([own, other]), mean([reference, other])) }
    let plain = Arm.Level(otherReference, of: other.factor)
    func sum(_ a: [UInt64: Double], _ b: [UInt64: Double]) -> [UInt64: Double] {
      a.reduce(into: [:]) { sums, entry in sums[entry.key] = b[entry.key].map { entry.value + $0 } }
    }
    return (sum(mean([own, other]), mean([reference, plain])), sum(mean([own, plain]), mean([reference, other])))
  }
}

/// Arms that have every combination of some factors' levels once.
struct FactorialDesign {
  /// With their levels, in the order in which arms name them; the first is what the others are set against.
  let factors: [(name: String, levels: [String])]
  private let arms: [Arm]

  /// Nil where the arms are no such design of at least two factors.
  init?(_ arms: [Arm]) {
    var factors: [(name: String, levels: [String])] = []
    for level in arms.flatMap({ $0.levels ?? [] }) {
      if let index = factors.firstIndex(where: { $0.name == level.factor }) {
        if !factors[index].levels.contains(level.level) { factors[index].levels.append(level.level) }
      } else {
        factors.append((level.factor, [level.level]))
      }
    }
    factors.removeAll { $0.levels.count < 2 }
    let combinations = factors.reduce(1) { $0 * $1.levels.count }
    let names = Set(factors.map(\.name))
    let found = Set(arms.map { Set(($0.levels ?? []).filter { names.contains($0.factor) }) })
    guard factors.count >= 2, arms.count == combinations, found.count == combinations,
      found.allSatisfy({ $0.count == factors.count })
    else { return nil }
    self.factors = factors
    self.arms = arms
  }

  /// By seed, the mean loss of the arms with some levels; of seeds that all of them have.
  func mean(of losses: [String: [UInt64: Double]], with levels: [Arm.Level]) -> [UInt64: Double] {
    let chosen = arms.filter { arm in levels.allSatisfy { arm.levels?.contains($0) ?? false } }
    let values = chosen.map { losses[$0.name] ?? [:] }
    var means: [UInt64: Double] = [:]
    for seed in values.first?.keys.sorted() ?? [] {
      let found = values.compactMap { $0[seed] }
      if found.count == values.count { means[seed] = found.reduce(0, +) / Double(found.count) }
    }
    return means
  }
}
