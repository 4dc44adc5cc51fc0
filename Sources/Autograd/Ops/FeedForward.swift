internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

// N rows, D model width, H outputs of the first map, F inputs of the second (F = H, or H / 2 if gated).

/// `y = W₂ activation(W₁ x + b₁) + b₂`. What lies between the maps, the widest activations of a model, has the
/// precision's own format: products of half precision write and read 16 bits a number.
enum FeedForwardOperation {
  struct Saved {
    let input_ND: Activation
    /// What the activation function read; of ReLU what it gave, from which its derivative follows.
    let hidden_NH: Activation
    let expansion_HD: Weight
    let contraction_DF: Weight
    let activation: FeedForwardActivation
  }

  /// The activations behind the first map.
  static func activations(
    input_ND: Activation, expansion_HD: Weight, expansionBias_H: Tensor?, contraction_DF: Weight,
    activation: FeedForwardActivation, precision: Precision
  ) -> (activated_NF: Activation, saved: Saved) {
    var hidden: Activation = matmul(
      input_ND.matrix, expansion_HD.matrix.transposed, format: precision.activationFormat,
      adding: expansionBias_H.map { .bias($0) }, precision: precision)
    let activated = activation.apply(to: &hidden)
    let saved = Saved(
      input_ND: input_ND, hidden_NH: hidden, expansion_HD: expansion_HD,
      contraction_DF: contraction_DF, activation: activation)
    return (activated, saved)
  }

  /// The second map.
  /// - Parameter residual: on a GPU, what is added to the output.
  static func output(
    activated_NF: Activation, contraction_DF: Weight, contractionBias_D: Tensor?, residual: Tensor? = nil,
    precision: Precision
  ) -> Tensor {
    matmul(
      activated_NF.matrix, contraction_DF.matrix.transposed, adding: contractionBias_D.map { .bias($0) },
      residual: residual.map { .whole($0) }, precision: precision)
  }

  struct Gradients {
    let input_ND: Activation
    let expansion, contraction: (weight: Tensor, bias: Tensor?)
  }

  /// `da = dy W₂`, `dW₂ = dyᵀ a`, `dh = da · activation'(h)`, `dW₁ = dhᵀ x`, `dx = dh W₁`; the activations `a` are
  /// made again on the way.
  /// - Parameters:
  ///   - biases: shapes of the biases whose gradients are wanted.
  ///   - other: on a GPU, what is added to the input's gradient; the sum has its format.
  static func backward(
    _ gradient_ND: Activation, _ saved: Saved, biases: (expansion: Shape?, contraction: Shape?),
    adding other: Activation?, inputFormat: HalfTensor.Format?, precision: Precision
  ) -> Gradients {
    let format = precision.activationFormat
    let gradient = gradient_ND.rounded(to: format)
    let (activated_NF, hiddenGradient_NH) = saved.activation.backward(
      matmul(gradient.matrix, saved.contraction_DF.matrix, format: format, precision: precision),
      hidden: saved.hidden_NH)
    let contraction = LinearOperation.parameterGradients(
      gradient_ND, rounded_NO: gradient, input_NI: activated_NF, weight: saved.contraction_DF.shape,
      bias: biases.contraction, precision: precision)
    let expansion = LinearOperation.parameterGradients(
      hiddenGradient_NH, rounded_NO: hiddenGradient_NH, input_NI: saved.input_ND, weight: saved.expansion_HD.shape,
      bias: biases.expansion, precision: precision)
    let input = LinearOperation.inputGradient(
      hiddenGradient_NH, weight_OI: saved.expansion_HD, shape: saved.input_ND.shape, adding: other,
      format: inputFormat, precision: precision)
    return Gradients(input_ND: input, expansion: expansion, contraction: contraction)
  }
}

/// What a feed-forward network has between its two maps.
public enum FeedForwardActivation: Sendable {
  /// `max(h, 0)`
  case relu
  /// `h Φ(h)`, exact.
  case gelu
  /// The same in its tanh form.
  case geluTanh
  /// `silu(u) · v` for rows `[u | v]`: half as many columns.
  case swiGLU

  /// Columns of the activations for so many columns of the first map's outputs.
  func width(ofHidden width: Int) -> Int {
    switch self {
    case .relu, .gelu, .geluTanh: width
    case .swiGLU: width / 2
    }
  }

  /// The activations; ReLU's take the place of what they are made from.
  fileprivate func apply(to hidden: inout Activation) -> Activation {
    if let gpu = hidden.gpu {
      guard self != .relu else {
        let count = hidden.shape.elementCount
        gpu.launchActivation(
          name, count: count, [hidden.argument, .output(&hidden), hidden.numbers.formatArgument, .long(count)])
        return hidden
      }
      var activated = sized(for: hidden)
      gpu.launchActivation(
        name, count: activated.shape.elementCount,
        [hidden.argument, .output(&activated), hidden.numbers.formatArgument] + widthArgument(activated.shape)
          + [.long(activated.shape.elementCount)])
      return activated
    }
    if self == .relu {
      kernels.relu(&hidden)
      return hidden
    }
    var activated = sized(for: hidden)
    switch self {
    case .relu: break
    case .gelu: kernels.gelu(hidden, tanh: false, into: &activated)
    case .geluTanh: kernels.gelu(hidden, tanh: true, into: &activated)
    case .swiGLU: kernels.swiGLU(hidden, into: &activated)
    }
    return activated
  }

  /// The activations again, and the gradient of what they are made from.
  fileprivate func backward(
    _ gradient: consuming Activation, hidden: Activation
  ) -> (activated: Activation, hidden: Activation) {
    if let gpu = hidden.gpu { return backward(on: gpu, gradient, hidden: hidden) }
    if self == .relu {
      kernels.reluBackward(output: hidden, &gradient)
      return (hidden, gradient)
    }
    var activated = sized(for: hidden)
    if self == .swiGLU {
      var result = Activation(uninitialized: hidden.shape, format: hidden.format)
      kernels.swiGLUBackward(hidden, gradient, into: &result, activations: &activated)
      return (activated, result)
    }
    kernels.geluBackward(hidden, &gradient, tanh: self == .geluTanh, activations: &activated)
    return (activated, gradient)
  }

  private func backward(
    on gpu: CUDADevice, _ gradient: consuming Activation, hidden: Activation
  ) -> (activated: Activation, hidden: Activation) {
    func launch(_ arguments: [KernelArgument], activated shape: Shape) {
      let end = widthArgument(shape) + [.long(shape.elementCount)]
      gpu.launchActivation(
        name + "_backward", count: shape.elementCount, arguments + [hidden.numbers.formatArgument] + end)
    }
    // All gradients but SwiGLU's have room where they come from.
    if self == .relu {
      launch([hidden.argument, gradient.argument, .output(&gradient)], activated: hidden.shape)
      return (hidden, gradient)
    }
    var activated = sized(for: hidden)
    if self == .swiGLU {
      var result = Activation(uninitialized: hidden.shape, format: hidden.format, on: gpu)
      launch([hidden.argument, gradient.argument, .output(&result), .output(&activated)], activated: activated.shape)
      return (activated, result)
    }
    launch([hidden.argument, gradient.argument, .output(&gradient), .output(&activated)], activated: activated.shape)
    return (activated, gradient)
  }

  /// Its kernel.
  private var name: String {
    switch self {
    case .relu: "relu"
    case .gelu: "gelu"
    case .geluTanh: "gelu_tanh"
    case .swiGLU: "swiglu"
    }
  }

  private func widthArgument(_ activated: Shape) -> [KernelArgument] {
    self == .swiGLU ? [.int(activated.width)] : []
  }

  /// Room for the activations.
  private func sized(for hidden: Activation) -> Activation {
    Activation(
      uninitialized: [hidden.shape.rowCount, width(ofHidden: hidden.shape.width)],
      format: hidden.format, on: hidden.gpu)
  }
}

extension Variable {
  /// The two-layer network `W₂ activation(W₁ x + b₁) + b₂` of every row.
  ///
  /// Equal to `linear`, the activation and `linear` again, in less memory and time: of what lies between the maps only
  /// the outputs of the first are kept, and in half precision they are never written in 32 bits.
  /// - Parameters:
  ///   - expansion: H×D, one row an output; of ``FeedForwardActivation/swiGLU`` gate rows above up rows.
  ///   - expansionBias: H elements, or nil.
  ///   - contraction: D×F.
  ///   - contractionBias: D elements, or nil.
  /// - Returns: N×D for an input of N×D.
  /// - Complexity: O(N·D·(H + F)) time; keeps the input and N·H hidden values.
  public func feedForward(
    expansion: Variable, expansionBias: Variable? = nil, contraction: Variable,
    contractionBias: Variable? = nil, activation: FeedForwardActivation
  ) -> Variable {
    let hidden = expansion.shape.rowCount
    checkPrecondition(
      expansion.shape.width == shape.width
        && contraction.shape.width == activation.width(ofHidden: hidden)
        && (activation != .swiGLU || hidden % 2 == 0)
        && expansionBias.map { $0.shape.elementCount == hidden } ?? true
        && contractionBias.map { $0.shape.elementCount == contraction.shape.rowCount } ?? true,
      "feedForward: input \(shape), expansion \(expansion.shape), contraction \(contraction.shape), "
        + "biases \(expansionBias?.shape ?? []) and \(contractionBias?.shape ?? [])")
    let (precision, format) = (tape.precision, content.format)
    let (contractionWeight, ownContractionBias) = (contraction.weight, contractionBias?.value)
    let (activated, saved) = FeedForwardOperation.activations(
      input_ND: tape.keep(self), expansion_HD: expansion.weight, expansionBias_H: expansionBias?.value,
      contraction_DF: contractionWeight, activation: activation, precision: precision)
    func output(adding residual: Tensor?) -> Tensor {
      FeedForwardOperation.output(
        activated_NF: activated, contraction_DF: contractionWeight, contractionBias_D: ownContractionBias,
        residual: residual, precision: precision)
    }
    let nodes = (node, expansion.node, contraction.node)
    let biasNodes = (expansion: expansionBias?.node ?? .constant, contraction: contractionBias?.node ?? .constant)
    let biases = (expansion: expansionBias?.shape, contraction: contractionBias?.shape)
    let inputs = [
      self, expansion, expansionBias ?? expansion, contraction, contractionBias ?? contraction,
    ]
    let backward = { (gradient: Activation, slots: inout GradientSlots) in
      let gradients = FeedForwardOperation.backward(
        gradient, saved, biases: biases, adding: slots.takeOnGPU(nodes.0, format: format),
        inputFormat: format, precision: precision)
      slots.accumulate(gradients.input_ND, into: nodes.0)
      slots.accumulate(gradients.expansion.weight, into: nodes.1)
      slots.accumulate(gradients.contraction.weight, into: nodes.2)
      if let bias = gradients.expansion.bias { slots.accumulate(bias, into: biasNodes.expansion) }
      if let bias = gradients.contraction.bias { slots.accumulate(bias, into: biasNodes.contraction) }
    }
    guard activated.gpu != nil else {
      return tape.record(.whole(output(adding: nil)), inputs: inputs, backward: backward)
    }
    let product = DeferredProduct(shape: [shape.rowCount, contraction.shape.rowCount]) { output(adding: $0) }
    return tape.record(product, inputs: inputs, backward: backward)
  }
}
