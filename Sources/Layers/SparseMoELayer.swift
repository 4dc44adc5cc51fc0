internal import Foundation
public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// A sparse mixture of SwiGLU experts: a router chooses k of E experts for every row; shared experts, if
/// any, work on all rows.
///
/// `y = Σ_i w_i f_i(x) + f_shared(x)`; see ``NanoAutograd/Variable/routed(topK:scoring:biases:groups:normalizes:scale:)``
/// for the choice and the weights. Balance comes from selection biases that ``updateSelectionBiases(loads:rate:)``
/// moves after each step, not from a loss; a sequence-wise balance loss and a z-loss are options.
/// - SeeAlso: DeepSeek-AI, 2024, "DeepSeek-V3", arXiv:2412.19437; Wang et al., 2024, arXiv:2408.15664.
public struct SparseMoELayer: Layer {
  public struct Configuration: Hashable, Sendable, Codable {
    public var modelWidth: Int
    public var expertWidth: Int
    public var expertCount: Int
    /// k, the experts that each row goes to.
    public var chosenCount: Int
    /// Experts that every row goes to, as one network of their joint width; 0 for none.
    public var sharedCount: Int
    /// Groups that a row's experts come from; nil for one group of all.
    public var groups: ExpertGroups?
    public var scoring: RouterScoring
    /// Whether the weights of a row sum to `scale`.
    public var normalizesWeights: Bool
    /// λ, `routed_scaling_factor`.
    public var scale: Float
    /// Coefficients of the sequence-wise balance loss and of the router z-loss; 0 for none.
    public var balanceLossCoefficient: Float
    public var zLossCoefficient: Float

    public init(
      modelWidth: Int, expertWidth: Int, expertCount: Int, chosenCount: Int, sharedCount: Int = 1,
      groups: ExpertGroups? = nil, scoring: RouterScoring = .sigmoid, normalizesWeights: Bool = true,
      scale: Float = 1,
      balanceLossCoefficient: Float = 0, zLossCoefficient: Float = 0
    ) {
      self.modelWidth = modelWidth
      self.expertWidth = expertWidth
      self.expertCount = expertCount
      self.chosenCount = chosenCount
      self.sharedCount = sharedCount
      self.groups = groups
      self.scoring = scoring
      self.normalizesWeights = normalizesWeights
      self.scale = scale
      self.balanceLossCoefficient = balanceLossCoefficient
      self.zLossCoefficient = zLossCoefficient
    }
  }

  public let configuration: Configuration
  /// expertCount × modelWidth, without bias.
  public var router: Linear
  /// Added to the scores when experts are chosen; not trained.
  public var selectionBiases: Parameter
  /// expertCount × 2·expertWidth × modelWidth, each expert's gate rows above its up rows.
  public var gateUp: Parameter
  /// expertCount × modelWidth × expertWidth.
  public var down: Parameter
  public var shared: SwiGLUFeedForward?

  /// Weights normal with the given standard deviation, selection biases 0.
  public init(
    _ configuration: Configuration, standardDeviation: Float = 0.02,
    using generator: inout RandomGenerator
  ) {
    let c = configuration
    checkPrecondition(
      c.chosenCount > 0 && c.chosenCount <= c.expertCount && c.expertWidth > 0 && c.modelWidth > 0,
      "SparseMoELayer: \(c.chosenCount) of \(c.expertCount) experts of \(c.expertWidth) for width "
        + "\(c.modelWidth)")
    self.configuration = c
    router = Linear(
      normalInputs: c.modelWidth, outputs: c.expertCount, standardDeviation: standardDeviation,
      role: .router, using: &generator)
    selectionBiases = Parameter(Tensor(zeros: [c.expertCount]), role: .state)
    gateUp = Parameter(
      Tensor(
        normal: [c.expertCount, 2 * c.expertWidth, c.modelWidth],
        standardDeviation: standardDeviation, using: &generator),
      role: .hiddenMatrix(count: 2 * c.expertCount))
    down = Parameter(
      Tensor(
        normal: [c.expertCount, c.modelWidth, c.expertWidth],
        standardDeviation: standardDeviation, using: &generator),
      role: .hiddenMatrix(count: c.expertCount))
    if c.sharedCount > 0 {
      shared = SwiGLUFeedForward(
        width: c.modelWidth, hiddenWidth: c.sharedCount * c.expertWidth,
        standardDeviation: standardDeviation, using: &generator)
    }
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let c = configuration
    let logits = router(input, in: context)
    let (weights, selection) = logits.routed(
      topK: c.chosenCount, scoring: c.scoring, biases: selectionBiases.value,
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
