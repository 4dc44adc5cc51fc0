internal import NanoPreconditions
internal import NanoTensor

// N rows, I inputs, O outputs.

/// `y = x Wᵀ + b`.
enum LinearOperation {
  struct Saved {
    let input_NI: Activation
    let weight_OI: Weight
  }

  /// - Parameter residual: on a GPU, what is added to the output.
  static func forward(
    input_NI: Activation, weight_OI: Weight, bias_O: Tensor?, format: HalfTensor.Format?,
    residual: Tensor? = nil, precision: Precision
  ) -> Activation {
    matmul(
      input_NI.matrix, weight_OI.matrix.transposed, format: format, adding: bias_O.map { .bias($0) },
      residual: residual.map { .whole($0) }, precision: precision)
  }

  /// `dx = dy W`
  /// - Parameter other: on a GPU, what is added to it; the sum has its format.
  static func inputGradient(
    _ gradient_NO: Activation, weight_OI: Weight, shape: Shape, adding other: Activation?, format: HalfTensor.Format?,
    precision: Precision
  ) -> Activation {
    matmul(
      gradient_NO.matrix, weight_OI.matrix, shape: shape, format: other.map(\.format) ?? format, residual: other,
      precision: precision)
  }

  /// `dW = dyᵀ x`, and `db = Σ_n dy_n` if it is wanted, which a GPU's product in half precision sums as it reads `dy`.
  /// - Parameter rounded_NO: the gradient as the product reads it.
  static func parameterGradients(
    _ gradient_NO: Activation, rounded_NO: Activation, input_NI: Activation, weight: Shape, bias: Shape?,
    precision: Precision
  ) -> (weight: Tensor, bias: Tensor?) {
    let (left, right) = (rounded_NO.matrix.transposed, input_NI.matrix)
    guard let gpu = gradient_NO.gpu, let bias, precision.activationFormat != nil else {
      return (
        matmul(left, right, shape: weight, precision: precision),
        bias.map { biasGradient(gradient_NO, shape: $0) }
      )
    }
    var (result, sums) = (Tensor(uninitialized: weight, on: gpu), Tensor(uninitialized: bias, on: gpu))
    let isSummed = result.withMutableNumbers { result in
      sums.withMutableNumbers { gpu.matmul(left, right, into: result, rowSums: $0, precision: precision) }
    }
    return (result, isSummed ? sums : biasGradient(rounded_NO, shape: bias))
  }

  /// `db = Σ_n dy_n`
  static func biasGradient(_ gradient_NO: Activation, shape: Shape) -> Tensor {
    if let gpu = gradient_NO.gpu { return gpu.rowSums(of: gradient_NO, shape: shape) }
    var result = Tensor(zeros: shape)
    kernels.addRowSums(of: gradient_NO, groupsOf: gradient_NO.shape.rowCount, to: &result)
    return result
  }
}

extension Variable {
  /// The affine map `y = x Wᵀ + b` of every row.
  ///
  /// A weight of more than two axes counts as the matrix of its rows: a stack of expert matrices
  /// E×O×I gives E·O outputs from one product.
  /// - Parameters:
  ///   - weight: O×I, one row an output.
  ///   - bias: O elements, or nil.
  ///   - roundingResult: whether half precision rounds the result, and its gradient, to 16 bits a number: for results that
  ///     other products read, and would round.
  /// - Returns: N×O for an input of N rows of I.
  /// - Complexity: O(N·I·O) time; keeps the input for the backward pass.
  public func linear(
    weight: Variable, bias: Variable? = nil, roundingResult: Bool = false
  ) -> Variable {
    let outputs = weight.shape.rowCount
    checkPrecondition(
      shape.width == weight.shape.width, "linear: input \(shape), weight \(weight.shape)")
    checkPrecondition(
      bias.map { $0.shape.elementCount == outputs } ?? true,
      "linear: weight \(weight.shape), bias \(bias!.shape)")
    let precision = tape.precision
    let kept = tape.keep(self)
    let (ownWeight, ownBias) = (weight.weight, bias?.value)
    let resultFormat = roundingResult ? precision.activationFormat : nil
    func output(adding residual: Tensor?) -> Activation {
      LinearOperation.forward(
        input_NI: kept, weight_OI: ownWeight, bias_O: ownBias, format: resultFormat, residual: residual,
        precision: precision)
    }
    let saved = LinearOperation.Saved(input_NI: kept, weight_OI: weight.weight)
    let (inputNode, weightNode, biasNode) = (node, weight.node, bias?.node ?? .constant)
    let (biasShape, format) = (bias?.shape ?? [], content.format)
    let backward = { (wholeGradient: Activation, slots: inout GradientSlots) in
      // A GPU's products read what is rounded already: once here, not in each of them.
      let gradient = wholeGradient.gpu == nil ? wholeGradient : wholeGradient.rounded(to: precision.activationFormat)
      if !weightNode.isConstant {
        let gradients = LinearOperation.parameterGradients(
          wholeGradient, rounded_NO: gradient, input_NI: saved.input_NI, weight: saved.weight_OI.shape,
          bias: biasNode.isConstant ? nil : biasShape, precision: precision)
        slots.accumulate(gradients.weight, into: weightNode)
        if let bias = gradients.bias { slots.accumulate(bias, into: biasNode) }
      } else if !biasNode.isConstant {
        slots.accumulate(LinearOperation.biasGradient(wholeGradient, shape: biasShape), into: biasNode)
      }
      if !inputNode.isConstant {
        slots.accumulate(
          LinearOperation.inputGradient(
            gradient, weight_OI: saved.weight_OI, shape: saved.input_NI.shape,
            adding: slots.takeOnGPU(inputNode, format: format), format: format, precision: precision),
          into: inputNode)
      }
    }
    let inputs = [self, weight, bias ?? weight]
    guard kept.gpu != nil, resultFormat == nil else {
      return tape.record(output(adding: nil), inputs: inputs, backward: backward)
    }
    let product = DeferredProduct(shape: [shape.rowCount, outputs]) { output(adding: $0).tensor }
    return tape.record(product, inputs: inputs, backward: backward)
  }
}
