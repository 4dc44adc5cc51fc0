internal import Foundation
public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// A sparse mixture of SwiGLU experts: a router chooses k of E experts for every row; shared experts, if
/// any, work on all rows.
///
/// `y = Σ_i w_i f_i(x) + f_shared(x)`; see ``NanoAutograd/Variable/routed(topK:scoring:biases:groups:normalizes:scale:)``
/// for the choice and the weights. No map has biases, as DeepSeek-V3's have none. Balance comes from selection biases that ``updateSelectionBiases(loads:rate:)``
/// moves after each step, not from a loss; a sequence-wise balance loss and a z-loss are options.
/// - SeeAlso: DeepSeek-AI, 2024, "DeepSeek-V3", arXiv:2412.19437; Wang et al., 2024, arXiv:2408.15664.
public struct SparseMoE: Layer {
  /// The sizes and choices of a mixture.
  public struct Configuration: Hashable, Sendable, Codable {
    /// Experts to choose from.
    public var expertCount: Int
    /// k, the experts that each row goes to.
    public var topK: Int
    /// Hidden units of one expert.
    public var expertWidth: Int
    /// Experts that every row goes to, as one network of their joint width; 0 for none.
    public var sharedExpertCount: Int
    /// Groups that a row's experts come from; nil for one group of all.
    public var groups: ExpertGroups?
    /// How logits become scores.
    public var scoring: RouterScoring
    /// Whether the weights of a row sum to `scale`.
    public var normalizesWeights: Bool
    /// λ, `routed_scaling_factor`.
    public var scale: Float
    /// Coefficients of the sequence-wise balance loss and of the router z-loss; 0 for none.
    public var balanceLossCoefficient: Float
    /// The factor on the z loss; 0 for none.
    public var zLossCoefficient: Float

    /// A mixture that by default has one shared expert, sigmoid scores and no loss of its own.
    /// - Precondition: `topK` is from 1 to `expertCount`.
    public init(
      expertCount: Int, topK: Int, expertWidth: Int, sharedExpertCount: Int = 1, groups: ExpertGroups? = nil,
      scoring: RouterScoring = .sigmoid, normalizesWeights: Bool = true, scale: Float = 1,
      balanceLossCoefficient: Float = 0, zLossCoefficient: Float = 0
    ) {
      self.expertCount = expertCount
      self.topK = topK
      self.expertWidth = expertWidth
      self.sharedExpertCount = sharedExpertCount
      self.groups = groups
      self.scoring = scoring
      self.normalizesWeights = normalizesWeights
      self.scale = scale
      self.balanceLossCoefficient = balanceLossCoefficient
      self.zLossCoefficient = zLossCoefficient
    }
  }

  /// Its sizes and choices.
  public let configuration: Configuration
  /// width → expertCount, without bias.
  public var router: Linear
  /// Added to the scores when experts are chosen; not trained.
  public var selectionBiases: Parameter
  /// expertCount × 2·expertWidth × width, each expert's gate rows above its up rows.
  public var gateUp: Parameter
  /// expertCount × width × expertWidth.
  public var down: Parameter
  /// The shared experts as one network.
  public var shared: SwiGLU?

  /// Given weights.
  /// - Parameter selectionBiases: nil for zeros.
  public init(
    _ configuration: Configuration, router: Linear, gateUp: Tensor, down: Tensor, shared: SwiGLU? = nil,
    selectionBiases: Tensor? = nil
  ) {
    let (c, width) = (configuration, router.inputCount)
    checkPrecondition(
      c.topK > 0 && c.topK <= c.expertCount, "SparseMoE: the \(c.topK) best of \(c.expertCount) experts")
    checkPrecondition(
      router.outputCount == c.expertCount && gateUp.shape == [c.expertCount, 2 * c.expertWidth, width]
        && down.shape == [c.expertCount, width, c.expertWidth]
        && selectionBiases.map { $0.shape == [c.expertCount] } ?? true
        && shared.map { $0.gateUp.inputCount == width && $0.down.outputCount == width } ?? true,
      "SparseMoE: router \(router.weight.value.shape), gate and up \(gateUp.shape), down \(down.shape), biases "
        + "\(selectionBiases?.shape ?? []) for \(c.expertCount) experts of width \(c.expertWidth)")
    self.configuration = c
    self.router = router
    self.selectionBiases = Parameter(selectionBiases ?? Tensor(zeros: [c.expertCount]), role: .state)
    // Gate and up are two matrices.
    self.gateUp = Parameter(gateUp, role: .expertMatrix(count: 2 * c.expertCount))
    self.down = Parameter(down, role: .expertMatrix(count: c.expertCount))
    self.shared = shared
  }

  /// Fresh weights, selection biases 0.
  /// - Parameter outputInitialization: of the maps into the residual stream; nil for that of the others.
  public init(
    width: Int, _ configuration: Configuration,
    initialization: Initialization = .normal(standardDeviation: 0.02), outputInitialization: Initialization? = nil,
    using generator: inout RandomGenerator
  ) {
    let (c, output) = (configuration, outputInitialization ?? initialization)
    checkPrecondition(
      c.expertCount > 0 && c.expertWidth > 0 && width > 0,
      "SparseMoE: \(c.expertCount) experts of \(c.expertWidth) for width \(width)")
    self.init(
      c,
      router: Linear(
        inputs: width, outputs: c.expertCount, hasBias: false, role: .router, initialization: initialization,
        using: &generator),
      gateUp: initialization.weight([c.expertCount, 2 * c.expertWidth, width], inputs: width, using: &generator),
      down: output.weight([c.expertCount, width, c.expertWidth], inputs: c.expertWidth, using: &generator),
      shared: c.sharedExpertCount == 0
        ? nil
        : SwiGLU(
          width: width, hiddenWidth: c.sharedExpertCount * c.expertWidth, initialization: initialization,
          outputInitialization: output, using: &generator))
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let c = configuration
    let logits = router(input, in: context)
    let (weights, selection) = logits.routed(
      topK: c.topK, scoring: c.scoring, biases: selectionBiases.value,
      groups: c.groups, normalizes: c.normalizesWeights, scale: c.scale)
    var output = input.routedExperts(
      weights: weights, selection: selection, gateUp: context.tape.variable(gateUp),
      down: context.tape.variable(down))
    if let shared { output = output + shared(input, in: context) }

    // Losses without a coefficient are computed where they cost no training time.
    let reportsLosses = context.recorder != nil && !context.tape.isRecording
    var (balanceLoss, zLoss): (Tensor?, Tensor?)
    if c.balanceLossCoefficient > 0 || reportsLosses {
      let loss = logits.sequenceBalanceLoss(
        selection, scoring: c.scoring, sequenceLength: context.sequenceLength)
      balanceLoss = loss.value
      output = output.withAuxiliaryLoss(loss, coefficient: c.balanceLossCoefficient)
    }
    if c.zLossCoefficient > 0 || reportsLosses {
      let loss = logits.routerZLoss()
      zLoss = loss.value
      output = output.withAuxiliaryLoss(loss, coefficient: c.zLossCoefficient)
    }
    context.recorder?.record(
      RoutingReport(selection, logits: logits.value, balanceLoss: balanceLoss, zLoss: zLoss))
    return output
  }

  /// Moves every bias by `rate` against its expert's load: `b_e += u · sign(mean load - load_e)`, less the
  /// mean of the signs, so that the biases do not drift together.
  /// - Parameter loads: rows that chose each expert, over the whole batch of a step.
  /// - SeeAlso: Wang et al., 2024, arXiv:2408.15664; Moonlight's modeling code for the mean.
  public mutating func updateSelectionBiases(loads: [Int], rate: Float) {
    checkPrecondition(
      loads.count == configuration.expertCount,
      "updateSelectionBiases: \(loads.count) loads for \(configuration.expertCount) experts")
    selectionBiases.value.moveSelectionBiases(against: loads, by: rate)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try router.visitParameters(name.part("router"), visit)
    try visit(name.part("router.selection_biases"), &selectionBiases)
    try visit(name.part("experts.gate_up.weight"), &gateUp)
    try visit(name.part("experts.down.weight"), &down)
    if shared != nil { try shared!.visitParameters(name.part("shared"), visit) }
  }
}
