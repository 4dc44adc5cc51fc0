public import NanoTensor

/// How a model's optimizer is made: groups of parameters by what they are for, each with a rule.
///
/// ```swift
/// let recipe = OptimizerRecipe(groups: [
///   .init([.hiddenMatrix, .expertMatrix], .muon(Muon(learningRate: 0.02))),
///   .init(ParameterKind.allCases, .adamW(AdamW(learningRate: 1e-3))),
/// ])
/// ```
public struct OptimizerRecipe: Hashable, Sendable, Codable {
  /// Parameters of some kinds and the rule that updates them.
  public struct Group: Hashable, Sendable, Codable {
    /// What belongs to the group, unless it belongs to one before.
    public var kinds: [ParameterKind]
    /// What updates the group.
    public var rule: OptimizerRule

    /// A rule for all parameters of some kinds that no group before has.
    public init(_ kinds: [ParameterKind], _ rule: OptimizerRule) {
      self.kinds = kinds
      self.rule = rule
    }
  }

  /// A parameter belongs to the first group that has its kind.
  public var groups: [Group]

  /// A recipe of groups, the first before the others; ``problem`` tells what is wrong with them.
  public init(groups: [Group]) { self.groups = groups }

  /// AdamW on everything.
  /// - Parameter vectorDecay: the weight decay of gains and biases; nil for that of the rest.
  public static func adamW(_ rule: AdamW, vectorDecay: Float? = nil) -> Self {
    guard let vectorDecay else { return Self(groups: [Group(ParameterKind.allCases, .adamW(rule))]) }
    var plain = rule
    plain.weightDecay = vectorDecay
    return Self(groups: [
      Group(ParameterKind.matrices + ParameterKind.tables, .adamW(rule)), Group(ParameterKind.vectors, .adamW(plain)),
    ])
  }

  /// A rule for some kinds before all others of this recipe.
  public func with(_ rule: OptimizerRule, for kinds: [ParameterKind]) -> Self {
    Self(groups: [Group(kinds, rule)] + groups)
  }

  /// Gives parameters of one kind a rate of their own, in a group of their own.
  public mutating func setLearningRate(_ rate: Float, of kind: ParameterKind) {
    guard let index = groups.firstIndex(where: { $0.kinds.contains(kind) }) else { return }
    var own = Group([kind], groups[index].rule)
    own.rule.learningRate = rate
    groups[index].kinds.removeAll { $0 == kind }
    if groups[index].kinds.isEmpty { groups.remove(at: index) }
    groups.append(own)
  }

  /// The group of a parameter.
  public func group(of parameter: ParameterDescription) -> Group? {
    let kind = ParameterKind(parameter)
    return groups.first { $0.kinds.contains(kind) }
  }

  /// - Precondition: every kind has a group, and only matrices a rule for matrices; ``problem`` tells.
  public func makeOptimizer(precision: Precision = .float32) -> AnyOptimizer {
    AnyOptimizer(GroupedOptimizer(groups.map { .init($0.kinds, $0.rule.makeOptimizer(precision: precision)) }))
  }

  /// What is wrong with the recipe; nil if nothing.
  public var problem: String? {
    if let kind = ParameterKind.allCases.first(where: { kind in !groups.contains { $0.kinds.contains(kind) } }) {
      return "no rule updates parameters of the kind \(kind.rawValue)"
    }
    for group in groups where group.rule.isForMatrices {
      if let kind = group.kinds.first(where: { !ParameterKind.matrices.contains($0) }) {
        return "\(group.rule.name) is for matrices alone, not for parameters of the kind \(kind.rawValue)"
      }
    }
    for group in groups {
      let rate = group.rule.learningRate
      guard rate > 0, rate.isFinite else {
        return "the learning rate of \(group.rule.name) is \(rate); it must be positive"
      }
      let decay = group.rule.weightDecay
      guard decay >= 0, decay.isFinite else {
        return "the weight decay of \(group.rule.name) is \(decay); it must be 0 or more"
      }
    }
    return nil
  }
}

/// What a parameter is for, which decides about its rule.
public enum ParameterKind: String, CaseIterable, Hashable, Sendable, Codable {
  case hiddenMatrix, expertMatrix, router, embedding, outputHead, gain, bias

  /// Matrices inside the network, of which experts are stacks.
  public static let matrices: [Self] = [.hiddenMatrix, .expertMatrix, .router]
  /// Rows that are looked up or scored one by one.
  public static let tables: [Self] = [.embedding, .outputHead]
  /// Parameters without a matrix's meaning.
  public static let vectors: [Self] = [.gain, .bias]

  /// The kind of a parameter by its role; what is not trained counts as a bias.
  public init(_ parameter: ParameterDescription) {
    self =
      switch parameter.role {
      case .hiddenMatrix: .hiddenMatrix
      case .expertMatrix: .expertMatrix
      case .router: .router
      case .embedding: .embedding
      case .outputHead: .outputHead
      case .gain: .gain
      case .bias, .state: .bias
      }
  }
}
