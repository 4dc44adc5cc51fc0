public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// The affine map `y = x Wᵀ + b`.
public struct Linear: Layer {
  /// outputs × inputs.
  public var weight: Parameter
  /// O addends; nil for none.
  public var bias: Parameter?

  /// Given weights.
  /// - Parameters:
  ///   - weight: outputs × inputs.
  ///   - bias: one number an output; nil for none.
  ///   - stackedMatrices: how many equal matrices, one above the other, the weight consists of; an
  ///     optimizer that treats matrices as wholes treats each of them as one.
  ///   - role: what the weight is for; nil means a hidden matrix.
  public init(weight: Tensor, bias: Tensor? = nil, stackedMatrices: Int = 1, role: Parameter.Role? = nil) {
    checkPrecondition(
      weight.shape.rank == 2 && weight.elementCount > 0 && bias.map { $0.shape == [weight.shape[0]] } ?? true,
      "Linear: weight \(weight.shape), bias \(bias?.shape ?? [])")
    checkPrecondition(
      stackedMatrices > 0 && weight.shape[0] % stackedMatrices == 0,
      "Linear: \(weight.shape[0]) outputs in \(stackedMatrices) matrices")
    self.weight = Parameter(weight, role: role ?? .hiddenMatrix(count: stackedMatrices))
    self.bias = bias.map { Parameter($0, role: .bias) }
  }

  /// Fresh weights, the weight drawn before the bias.
  public init(
    inputs: Int, outputs: Int, hasBias: Bool = true, stackedMatrices: Int = 1, role: Parameter.Role? = nil,
    initialization: Initialization = .pyTorch, using generator: inout RandomGenerator
  ) {
    checkPrecondition(inputs > 0 && outputs > 0, "Linear: \(inputs) inputs, \(outputs) outputs")
    self.init(
      weight: initialization.weight([outputs, inputs], inputs: inputs, using: &generator),
      bias: hasBias ? initialization.bias([outputs], inputs: inputs, using: &generator) : nil,
      stackedMatrices: stackedMatrices, role: role)
  }

  /// The width of a row that comes in.
  public var inputCount: Int { weight.value.shape[1] }
  /// The width of a row that goes out.
  public var outputCount: Int { weight.value.shape[0] }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    self(input, in: context, roundingResult: false)
  }

  /// The same; if `roundingResult`, in half precision with 16 bits a number, for who only multiplies it.
  public func callAsFunction(
    _ input: Variable, in context: ForwardContext, roundingResult: Bool
  ) -> Variable {
    input.linear(
      weight: context.tape.variable(weight), bias: bias.map { context.tape.variable($0) },
      roundingResult: roundingResult)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try visit(name.part("weight"), &weight)
    if bias != nil { try visit(name.part("bias"), &bias!) }
  }
}
