public import NanoTensor

/// An update rule as data.
public enum OptimizerRule: Hashable, Sendable, Codable {
  case adamW(AdamW)
  case muon(Muon)
  case trueMuon(TrueMuon)
  case sgd(SGD)

  /// The rule itself.
  /// - Parameter precision: what the products of an orthogonalization read. Half precision's range is too narrow for
  ///   the iteration, which then stays in float32.
  public func makeOptimizer(precision: Precision = .float32) -> AnyOptimizer {
    switch self {
    case .adamW(let rule): return AnyOptimizer(rule)
    case .sgd(let rule): return AnyOptimizer(rule)
    case .muon(var rule):
      rule.orthogonalization.setPrecision(precision)
      return AnyOptimizer(rule)
    case .trueMuon(var rule):
      rule.orthogonalization.setPrecision(precision)
      return AnyOptimizer(rule)
    }
  }

  public var name: String {
    switch self {
    case .adamW: "AdamW"
    case .muon: "Muon"
    case .trueMuon: "TrueMuon"
    case .sgd: "SGD"
    }
  }

  /// Whether it takes matrices alone.
  public var isForMatrices: Bool {
    switch self {
    case .muon, .trueMuon: true
    case .adamW, .sgd: false
    }
  }

  public var learningRate: Float {
    get {
      switch self {
      case .adamW(let rule): rule.learningRate
      case .muon(let rule): rule.learningRate
      case .trueMuon(let rule): rule.learningRate
      case .sgd(let rule): rule.learningRate
      }
    }
    set {
      change(
        { $0.learningRate = newValue }, { $0.learningRate = newValue }, { $0.learningRate = newValue },
        { $0.learningRate = newValue })
    }
  }

  public var weightDecay: Float {
    get {
      switch self {
      case .adamW(let rule): rule.weightDecay
      case .muon(let rule): rule.weightDecay
      case .trueMuon(let rule): rule.weightDecay
      case .sgd(let rule): rule.weightDecay
      }
    }
    set {
      change(
        { $0.weightDecay = newValue }, { $0.weightDecay = newValue }, { $0.weightDecay = newValue },
        { $0.weightDecay = newValue })
    }
  }

  private mutating func change(
    _ adamW: (inout AdamW) -> Void, _ muon: (inout Muon) -> Void, _ trueMuon: (inout TrueMuon) -> Void,
    _ sgd: (inout SGD) -> Void
  ) {
    switch self {
    case .adamW(var rule):
      adamW(&rule)
      self = .adamW(rule)
    case .muon(var rule):
      muon(&rule)
      self = .muon(rule)
    case .trueMuon(var rule):
      trueMuon(&rule)
      self = .trueMuon(rule)
    case .sgd(var rule):
      sgd(&rule)
      self = .sgd(rule)
    }
  }

  /// The factor on the update of a parameter of this form, beside the learning rate.
  public func scale(of shape: ParameterShape) -> Float {
    guard case .muon(let rule) = self, let stack = shape.matrixStack else { return 1 }
    return rule.updateScale.factor(outputs: stack.outputs, inputs: stack.inputs)
  }
}

extension Orthogonalization {
  fileprivate mutating func setPrecision(_ precision: Precision) {
    guard case .newtonSchulz(var iteration) = self else { return }
    iteration.precision = precision == .float16 ? .float32 : precision
    self = .newtonSchulz(iteration)
  }
}
