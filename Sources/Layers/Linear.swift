public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// The affine map `y = x Wᵀ + b`.
public struct Linear: Layer {
  /// outputs × inputs.
  public var weight: Parameter
  public var bias: Parameter?

  /// Weight and bias uniform on ±1/√inputs, as PyTorch's `nn.Linear`.
  /// - Parameters:
  ///   - stackedMatrices: how many equal matrices, one above the other, the weight consists of; an
  ///     optimizer that treats matrices as wholes treats each of them as one.
  ///   - role: what the weight is for; nil means a hidden matrix.
  public init(
    inputs: Int, outputs: Int, hasBias: Bool = true, stackedMatrices: Int = 1,
    role: Parameter.Role? = nil, using generator: inout RandomGenerator
  ) {
    checkPrecondition(inputs > 0 && outputs > 0, "Linear: \(inputs) inputs, \(outputs) outputs")
    checkPrecondition(
      outputs % stackedMatrices == 0, "Linear: \(outputs) outputs in \(stackedMatrices) matrices")
    let bound = 1 / Float(inputs).squareRoot()
    weight = Parameter(
      Tensor(uniformWithin: bound, shape: [outputs, inputs], using: &generator),
      role: role ?? .hiddenMatrix(count: stackedMatrices))
    if hasBias {
      bias = Parameter(
        Tensor(uniformWithin: bound, shape: [outputs], using: &generator), role: .bias)
    }
  }

  /// Weight normal with the given standard deviation, bias (if any) zero, as GPT-2 and DeepSeek have it.
  public init(
    normalInputs inputs: Int, outputs: Int, standardDeviation: Float, hasBias: Bool = false,
    stackedMatrices: Int = 1, role: Parameter.Role? = nil, using generator: inout RandomGenerator
  ) {
    checkPrecondition(inputs > 0 && outputs > 0, "Linear: \(inputs) inputs, \(outputs) outputs")
    checkPrecondition(
      outputs % stackedMatrices == 0, "Linear: \(outputs) outputs in \(stackedMatrices) matrices")
    weight = Parameter(
      Tensor(normal: [outputs, inputs], standardDeviation: standardDeviation, using: &generator),
      role: role ?? .hiddenMatrix(count: stackedMatrices))
    if hasBias { bias = Parameter(Tensor(zeros: [outputs]), role: .bias) }
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    self(input, in: context, roundingResult: false)
  }

  /// The same; if `roundingResult`, in half precision with 16 bits a number, for who only multiplies it.
  func callAsFunction(
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
