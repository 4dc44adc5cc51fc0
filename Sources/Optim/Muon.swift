internal import Foundation
internal import NanoTensor

/// Momentum orthogonalized: every matrix's update is the (approximate) polar factor of its momentum.
///
/// ```
/// m ← momentum of g;  O = orthogonalize(Nesterov look-ahead of m)
/// p ← p (1 - lr·λ) - lr · factor(outputs, inputs) · O
/// ```
///
/// The well-known libraries agree on this and on little else. Each disputed convention is a named choice
/// here; ``kellerJordan``, ``pyTorch``, ``moonlight``, ``optax`` and ``dion`` are the originals' choices. What later
/// rules put before the orthogonalization and behind it are further parts, in any combination; see ``norMuon``,
/// ``adaMuon``, ``muonEq``, ``muonPlus``, ``turboMuon``, ``cautious`` and ``hyperball``.
///
/// Only parameters declared as matrices may be given to it; route the rest elsewhere with
/// ``RoutedOptimizer``.
/// - SeeAlso: Jordan et al., "Muon: an optimizer for hidden layers", 2024; Liu et al., 2025,
///   arXiv:2502.16982.
public struct Muon: MatrixMomentumOptimizer, Hashable, Codable {
  /// How the gradient enters the momentum buffer. The orthogonalization ignores overall scale, so what
  /// tells the forms apart is the ratio of gradient to momentum in the look-ahead.
  public enum Momentum: String, Hashable, Sendable, Codable {
    /// `m ← β m + (1 - β) g`, look-ahead `β m + (1 - β) g` (Keller Jordan, PyTorch).
    case average
    /// `m ← β m + g`, look-ahead `β m + g` (Moonlight, Dion): the same ratio.
    case heavyBall
    /// `m` as `average`; look-ahead `β m / (1 - βᵗ⁺¹) + (1 - β) g / (1 - βᵗ)` (optax): in the first steps
    /// the gradient weighs more.
    case biasCorrectedAverage
  }

  /// The factor on the orthogonal update.
  public enum UpdateScale: Hashable, Sendable, Codable {
    /// 1.
    case unscaled
    /// √max(1, outputs/inputs) (Keller Jordan; PyTorch's "original"; optax).
    case aspectRatio
    /// √(outputs/inputs) (Dion).
    case spectralNorm
    /// `factor` · √max(outputs, inputs), so that the update's root mean square is that of AdamW's and
    /// one learning rate serves both; 0.2 in Liu et al., 2025, arXiv:2502.16982.
    case matchingAdamWRMS(Float)

    func factor(outputs: Int, inputs: Int) -> Float {
      switch self {
      case .unscaled: 1
      case .aspectRatio: max(1, Float(outputs) / Float(inputs)).squareRoot()
      case .spectralNorm: (Float(outputs) / Float(inputs)).squareRoot()
      case .matchingAdamWRMS(let factor): factor * Float(max(outputs, inputs)).squareRoot()
      }
    }
  }

  /// Which weights decay in a step.
  public enum WeightDecayForm: String, CaseIterable, Hashable, Sendable, Codable {
    case decoupled
    /// Those alone whose sign is the update's, which moves them towards zero too.
    case cautious
  }

  /// The base rate, before a schedule. What it means depends on ``updateScale``: 0.02 suits ``UpdateScale/aspectRatio``, and
  /// about a tenth of it, a rate that AdamW would have, ``UpdateScale/matchingAdamWRMS(_:)``.
  public var learningRate: Float
  /// The share β of the momentum that a step keeps.
  public var momentum: Float
  /// How the gradient enters the momentum.
  public var momentumForm: Momentum
  /// Whether the look-ahead is made orthogonal, or the momentum itself.
  public var usesNesterov: Bool
  /// Decoupled, multiplied by the unscaled learning rate.
  public var weightDecay: Float
  /// Whether all weights decay, or those alone that the update moves towards zero.
  public var weightDecayForm: WeightDecayForm
  /// The factor on the orthogonal update.
  public var updateScale: UpdateScale
  /// Before the orthogonalization; nil for nothing.
  public var directionNormalization: DirectionNormalization?
  /// How the update is made orthogonal.
  public var orthogonalization: Orthogonalization
  /// Behind it; nil for nothing.
  public var updateNormalization: UpdateNormalization?
  /// Whether each matrix keeps its Frobenius norm: a step moves it by ``learningRate`` times that norm, whatever the update's,
  /// and back to the sphere that it began on. One that is zero stays so.
  /// - SeeAlso: ``hyperball``
  public var keepsNorm: Bool

  /// A rule whose defaults are those of ``kellerJordan``.
  public init(
    learningRate: Float = 0.02, momentum: Float = 0.95, momentumForm: Momentum = .average,
    usesNesterov: Bool = true, weightDecay: Float = 0, weightDecayForm: WeightDecayForm = .decoupled,
    updateScale: UpdateScale = .aspectRatio, directionNormalization: DirectionNormalization? = nil,
    orthogonalization: Orthogonalization = .newtonSchulz(.quintic), updateNormalization: UpdateNormalization? = nil,
    keepsNorm: Bool = false
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.momentumForm = momentumForm
    self.usesNesterov = usesNesterov
    self.weightDecay = weightDecay
    self.weightDecayForm = weightDecayForm
    self.updateScale = updateScale
    self.directionNormalization = directionNormalization
    self.orthogonalization = orthogonalization
    self.updateNormalization = updateNormalization
    self.keepsNorm = keepsNorm
  }

  /// KellerJordan/Muon, `muon.py`.
  public static let kellerJordan = Muon()

  /// `torch.optim.Muon` of PyTorch 2.13 with its defaults, but for one thing: torch iterates in bfloat16 whatever the
  /// precision, and rounds every iterate to it, which puts noise into the directions that a gradient of low rank
  /// lacks. Of the update for a 64×256 gradient of rank 1, as an expert has that saw one token, 72% of the energy
  /// lies outside the gradient's row and column space (rank 4: 29%, rank 16: 9%). Here only what products read is
  /// ever rounded, and that only if ``NewtonSchulz/precision`` says so: less than 0.1% lies outside in float32, less
  /// than 1% in bfloat16.
  public static let pyTorch = Muon(learningRate: 1e-3, weightDecay: 0.1)

  /// MoonshotAI/Moonlight, `toy_train.py`.
  public static let moonlight = Muon(
    learningRate: 1e-3, momentumForm: .heavyBall, weightDecay: 0.1,
    updateScale: .matchingAdamWRMS(0.2))

  /// `optax.contrib.muon`. Declare its matrices `.inputsByOutputs`.
  public static let optax = Muon(
    momentumForm: .biasCorrectedAverage,
    orthogonalization: .newtonSchulz(
      NewtonSchulz(coefficients: NewtonSchulz.quintic.coefficients, epsilon: 1e-8)))

  /// microsoft/dion's Muon, with the Polar Express coefficients it uses by default.
  public static let dion = Muon(
    learningRate: 0.01, momentumForm: .heavyBall, usesNesterov: false, weightDecay: 0.01,
    updateScale: .spectralNorm, orthogonalization: .newtonSchulz(.polarExpress))

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors,
    state: inout MatrixMomentum
  ) {
    state.stepCount += 1
    checkCounts(parameter, gradient, state: state.momentum, rule: "Muon")
    let gradientWeight = factors.gradient * (momentumForm == .heavyBall ? 1 : 1 - momentum)
    let correction = lookAheadCorrection(at: state.stepCount)
    kernels.combine(momentum, &state.momentum, gradientWeight, gradient)
    let direction =
      usesNesterov
      ? kernels.combination(
        momentum * correction.momentum, state.momentum, gradientWeight * correction.gradient, gradient)
      : state.momentum
    let rate = learningRate * factors.learningRate
    let scale = updateScale.factor(outputs: state.stack.outputs, inputs: state.stack.inputs)
    state.apply(
      direction, to: &parameter, directionNormalization: directionNormalization, orthogonalization: orthogonalization,
      updateNormalization: updateNormalization, decay: 1 - rate * weightDecay,
      isCautious: weightDecayForm == .cautious, keepsNorm: keepsNorm, step: rate * scale)
  }

  /// What the two terms of the look-ahead are divided by for their bias, inverted.
  private func lookAheadCorrection(at step: Int) -> (momentum: Float, gradient: Float) {
    guard momentumForm == .biasCorrectedAverage else { return (1, 1) }
    func correction(_ power: Int) -> Float { 1 / (1 - pow(momentum, Float(power))) }
    return (correction(step + 1), correction(step))
  }

  /// Whether a GPU makes updates; else the host makes them, of copies.
  private var runsOnDevices: Bool {
    orthogonalization.runsOnDevices && directionNormalization == nil && updateNormalization == nil
      && weightDecayForm == .decoupled && !keepsNorm
  }

  public func enqueueUpdate(
    of parameter: DeviceParameter, state: inout MatrixMomentum, in updates: inout DeviceUpdates
  ) {
    guard runsOnDevices else { return }
    let gradientWeight = momentumForm == .heavyBall ? 1 : 1 - momentum
    let rule = RuleRecord(
      learningRate: learningRate, weightDecay: weightDecay,
      scale: updateScale.factor(outputs: state.stack.outputs, inputs: state.stack.inputs), momentum: momentum,
      gradientWeight: gradientWeight, aheadMomentum: usesNesterov ? momentum : 1,
      aheadGradient: usesNesterov ? gradientWeight : 0,
      correctsAhead: usesNesterov && momentumForm == .biasCorrectedAverage ? 1 : 0)
    updates.enqueueMuon(rule, state: &state, orthogonalization: orthogonalization)
  }

  public func finishUpdate(of parameter: DeviceParameter, factors: StepFactors, state: inout MatrixMomentum) {
    if runsOnDevices {
      state.stepCount += 1
    } else {
      updateOnHost(parameter, factors: factors, state: &state)
    }
  }

  public func learningRate(for parameter: ParameterDescription) -> Float { learningRate }

  public func updateWork(of parameter: ParameterDescription) -> Int { orthogonalization.work(of: parameter) }
}
