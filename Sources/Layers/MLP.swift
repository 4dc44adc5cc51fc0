public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// The multi-layer perceptron `W_down f(W_up x + b_up) + b_down` of a classic transformer block.
public struct MLP: Layer {
  /// To the hidden width.
  public var up: Linear
  /// Back to the width of the rows.
  public var down: Linear
  /// What is done to the hidden units; nil for a function of one's own.
  public let activation: ActivationFunction?
  /// The same as an operation.
  package let function: @Sendable (Variable) -> Variable

  /// Given maps.
  public init(up: Linear, down: Linear, activation: ActivationFunction) {
    self.init(up, down, activation) { activation($0) }
  }

  /// Given maps, with a function of one's own: of every element by itself.
  public init(up: Linear, down: Linear, activation: @escaping @Sendable (Variable) -> Variable) {
    self.init(up, down, nil, activation)
  }

  private init(
    _ up: Linear, _ down: Linear, _ activation: ActivationFunction?,
    _ function: @escaping @Sendable (Variable) -> Variable
  ) {
    checkPrecondition(
      up.outputCount == down.inputCount, "MLP: up \(up.weight.value.shape), down \(down.weight.value.shape)")
    self.up = up
    self.down = down
    self.activation = activation
    self.function = function
  }

  /// Fresh weights.
  /// - Parameter outputInitialization: of the map into the residual stream; nil for that of the other.
  public init(
    width: Int, hiddenWidth: Int, activation: ActivationFunction = .relu, hasBias: Bool = true,
    initialization: Initialization = .pyTorch, outputInitialization: Initialization? = nil,
    using generator: inout RandomGenerator
  ) {
    self.init(
      up: Linear(
        inputs: width, outputs: hiddenWidth, hasBias: hasBias, initialization: initialization, using: &generator),
      down: Linear(
        inputs: hiddenWidth, outputs: width, hasBias: hasBias, initialization: outputInitialization ?? initialization,
        using: &generator),
      activation: activation)
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    guard let fused = activation?.fused else { return down(function(up(input, in: context)), in: context) }
    return input.feedForward(up: up, down: down, activation: fused, in: context)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try up.visitParameters(name.part("expansion"), visit)
    try down.visitParameters(name.part("contraction"), visit)
  }
}

extension Variable {
  /// Two linear layers with an activation between them, as one operation.
  func feedForward(
    up: Linear, down: Linear, activation: FeedForwardActivation, in context: ForwardContext
  ) -> Variable {
    let tape = context.tape
    return feedForward(
      expansion: tape.variable(up.weight), expansionBias: up.bias.map { tape.variable($0) },
      contraction: tape.variable(down.weight), contractionBias: down.bias.map { tape.variable($0) },
      activation: activation)
  }
}
