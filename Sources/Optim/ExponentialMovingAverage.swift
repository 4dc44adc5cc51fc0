internal import NanoPreconditions
public import NanoTensor

/// A copy of a model whose weights follow it slowly: the exponential moving average, which often generalizes better than
/// the weights that it averages.
///
/// `a ← β a + (1 - β) p` after every step, for every parameter; what is not trained is taken over as it is.
///
/// ```swift
/// var average = ExponentialMovingAverage(of: trainer.model)
/// for … {
///   _ = try trainer.step(on: batch)
///   average.add(trainer.model)
/// }
/// evaluator.evaluate(average.model)
/// ```
/// - SeeAlso: Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
public struct ExponentialMovingAverage<Model: ParameterContainer>: Sendable {
  /// The model with averaged weights.
  public private(set) var model: Model
  /// β, the share of the average that stays when weights are added: about the last 1 / (1 - β) steps count.
  public var decay: Float

  /// The average starts as the model itself.
  /// - Precondition: `0 <= decay < 1`.
  public init(of model: Model, decay: Float = 0.999) {
    checkPrecondition(
      (0..<1).contains(decay), "ExponentialMovingAverage: a decay of \(decay); it must be from 0 to below 1")
    self.model = model
    self.decay = decay
  }

  /// Moves the average towards the weights of a model.
  /// - Precondition: the model has as many parameters as the average, each of the same shape.
  public mutating func add(_ newer: Model) {
    let values = newer.namedParameters.map(\.parameter.value)
    let decay = decay
    var index = 0
    model.visitParameters(.root()) { name, average in
      let value = index < values.count ? values[index] : Tensor(zeros: [0])
      checkPrecondition(
        value.shape == average.value.shape,
        "ExponentialMovingAverage: \(name.text) of \(average.value.shape), and in the model \(value.shape)")
      index += 1
      guard average.role != .state else {
        average.value = value
        return
      }
      average.value.withMutableElements { kernels.combine(decay, &$0, 1 - decay, value.on(.cpu)) }
    }
    checkPrecondition(
      index == values.count, "ExponentialMovingAverage: \(index) parameters, and \(values.count) of the model")
  }
}
