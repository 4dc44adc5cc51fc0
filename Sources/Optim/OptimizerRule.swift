public import NanoTensor

/// An update rule as data.
public enum OptimizerRule: Hashable, Sendable, Codable {
  case adamW(AdamW)
  case lion(Lion)
  case muon(Muon)
  case sgd(SGD)
  case soap(SOAP)
  case trueMuon(TrueMuon)

  private var rule: any NamedOptimizer {
    get {
      switch self {
      case .adamW(let rule): rule
      case .lion(let rule): rule
      case .muon(let rule): rule
      case .sgd(let rule): rule
      case .soap(let rule): rule
      case .trueMuon(let rule): rule
      }
    }
    set {
      switch newValue {
      case let rule as AdamW: self = .adamW(rule)
      case let rule as Lion: self = .lion(rule)
      case let rule as Muon: self = .muon(rule)
      case let rule as SGD: self = .sgd(rule)
      case let rule as SOAP: self = .soap(rule)
      case let rule as TrueMuon: self = .trueMuon(rule)
      default: fatalError("OptimizerRule: no case for \(type(of: newValue).name)")
      }
    }
  }

  /// As reports name it.
  public var name: String { type(of: rule).name }

  /// Whether it takes matrices alone.
  public var isForMatrices: Bool { rule is any MatrixOptimizer }

  /// Whether it makes updates orthogonal.
  public var isOfMuonFamily: Bool { orthogonalization != nil }

  /// The base rate, before a schedule.
  public var learningRate: Float {
    get { rule.learningRate }
    set { rule.learningRate = newValue }
  }

  /// Decoupled weight decay, per unit of the learning rate.
  public var weightDecay: Float {
    get { rule.weightDecay }
    set { rule.weightDecay = newValue }
  }

  /// How a rule of the Muon family makes updates orthogonal; nil of other rules, which keep it so.
  public var orthogonalization: Orthogonalization? {
    get { (rule as? any OrthogonalizingOptimizer)?.orthogonalization }
    set {
      guard var matrixRule = rule as? any OrthogonalizingOptimizer, let newValue else { return }
      matrixRule.orthogonalization = newValue
      rule = matrixRule
    }
  }

  /// Steps from one renewal of SOAP's eigenbases to the next; nil of other rules, which keep it so.
  public var preconditionFrequency: Int? {
    get { (rule as? SOAP)?.preconditionFrequency }
    set {
      guard case .soap(var soap) = self, let newValue else { return }
      soap.preconditionFrequency = newValue
      self = .soap(soap)
    }
  }

  /// The rule itself.
  /// - Parameter precision: what the products of an orthogonalization read. Half precision's range is too narrow for
  ///   the iteration, which then stays in float32.
  public func makeOptimizer(precision: Precision = .float32) -> AnyOptimizer {
    guard var matrixRule = rule as? any OrthogonalizingOptimizer else { return AnyOptimizer(rule) }
    matrixRule.orthogonalization.setPrecision(precision)
    return AnyOptimizer(matrixRule)
  }

  /// The factor on the update of a parameter of this form, beside the learning rate.
  public func scale(of shape: ParameterShape) -> Float {
    guard case .muon(let rule) = self, let stack = shape.matrixStack else { return 1 }
    return rule.updateScale.factor(outputs: stack.outputs, inputs: stack.inputs)
  }
}

/// What rules have in common as data.
private protocol NamedOptimizer: Optimizer {
  static var name: String { get }
  var learningRate: Float { get set }
  var weightDecay: Float { get set }
}

/// A rule for matrices alone.
private protocol MatrixOptimizer: NamedOptimizer {}

/// One that makes updates orthogonal.
private protocol OrthogonalizingOptimizer: MatrixOptimizer {
  var orthogonalization: Orthogonalization { get set }
}

extension AdamW: NamedOptimizer { static var name: String { "AdamW" } }
extension Lion: NamedOptimizer { static var name: String { "Lion" } }
extension Muon: OrthogonalizingOptimizer { static var name: String { "Muon" } }
extension SGD: NamedOptimizer { static var name: String { "SGD" } }
extension SOAP: MatrixOptimizer { static var name: String { "SOAP" } }
extension TrueMuon: OrthogonalizingOptimizer { static var name: String { "TrueMuon" } }

extension Orthogonalization {
  fileprivate mutating func setPrecision(_ precision: Precision) {
    guard case .newtonSchulz(var iteration) = self else { return }
    iteration.precision = precision == .float16 ? .float32 : precision
    self = .newtonSchulz(iteration)
  }
}
