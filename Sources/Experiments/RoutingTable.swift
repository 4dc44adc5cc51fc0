internal import NanoAutograd
public import NanoModels
public import NanoOptim
internal import NanoTensor

/// Which rule updates which parameter, and why.
public struct RoutingTable: Hashable, Sendable, Codable {
  /// A parameter and how it is updated.
  public struct Row: Hashable, Sendable, Codable {
    /// The parameter's name in the model.
    public var parameter: String
    /// Rows and columns as they lie in memory.
    public var shape: [Int]
    /// The rule that updates it, as reports name it.
    public var rule: String
    /// The base learning rate, before any schedule.
    public var learningRate: Float
    /// The factor on the update beside the rate.
    public var scale: Float
    /// Decoupled weight decay, per unit of the learning rate; 0 for none.
    public var weightDecay: Float
    /// Why this rule: what the parameter is for.
    public var why: ParameterKind
  }

  /// One entry a parameter that a rule updates, in the model's order.
  public var rows: [Row]

  /// The table of a model's parameters, those left out that no group of the recipe takes.
  public init(of model: any LanguageModel, _ recipe: OptimizerRecipe) {
    rows = model.namedParameters.filter { $0.parameter.role != .state }.compactMap { name, parameter in
      let description = ParameterDescription(parameter, name: name)
      guard let group = recipe.group(of: description) else { return nil }
      return Row(
        parameter: name, shape: parameter.value.shape.dimensions, rule: group.rule.name,
        learningRate: group.rule.learningRate, scale: group.rule.scale(of: description.shape),
        weightDecay: group.rule.weightDecay, why: ParameterKind(description))
    }
  }

  /// One line a rule: what it updates, and at what rate.
  public var summary: [String] {
    var lines: [(rule: String, counts: [(kind: ParameterKind, count: Int)])] = []
    for row in rows {
      let rule = "\(row.rule), rate \(row.learningRate), decay \(row.weightDecay)"
      let index = lines.firstIndex { $0.rule == rule } ?? lines.endIndex
      if index == lines.endIndex { lines.append((rule, [])) }
      if let kind = lines[index].counts.firstIndex(where: { $0.kind == row.why }) {
        lines[index].counts[kind].count += 1
      } else {
        lines[index].counts.append((row.why, 1))
      }
    }
    return lines.map { rule, counts in
      rule + ": " + counts.map { "\($0.count) \($0.count == 1 ? $0.kind.word : $0.kind.words)" }.joined(separator: ", ")
    }
  }
}

extension ParameterKind {
  /// One of them, in a word.
  fileprivate var word: String {
    switch self {
    case .hiddenMatrix: "hidden matrix"
    case .expertMatrix: "expert matrix"
    case .router: "router"
    case .embedding: "embedding"
    case .outputHead: "head"
    case .gain: "gain"
    case .bias: "bias"
    }
  }

  /// Several of them.
  fileprivate var words: String {
    switch self {
    case .hiddenMatrix: "hidden matrices"
    case .expertMatrix: "expert matrices"
    case .router: "routers"
    case .embedding: "embeddings"
    case .outputHead: "heads"
    case .gain: "gains"
    case .bias: "biases"
    }
  }
}
