internal import CNanoKernels
internal import NanoTensor

// N rows, D width.

/// `y = g · (x - mean) / √(variance + ε) + b` over each row, the variance biased.
enum LayerNormOperation {
  struct Saved {
    let input_ND: KeptTensor
    let gain_D: Tensor
    /// Mean and reciprocal standard deviation of every row.
    let statistics_N2: Tensor
  }

  static func forward(
    input_ND: Tensor, gain_D: Tensor, bias_D: Tensor, epsilon: Float, keep: (Tensor) -> KeptTensor
  ) -> (output: Tensor, saved: Saved) {
    var output = Tensor(uninitialized: input_ND.shape)
    var statistics = Tensor(uninitialized: [input_ND.shape.rowCount, 2])
    kernels.layer_norm(
      input_ND.elements, gain_D.elements, bias_D.elements, output.mutableElements,
      statistics.mutableElements, input_ND.shape.rowCount, input_ND.shape.width, epsilon)
    return (output, Saved(input_ND: keep(input_ND), gain_D: gain_D, statistics_N2: statistics))
  }

  static func backward(
    _ gradient_ND: Tensor, _ saved: Saved
  ) -> (input: Tensor, gain: Tensor, bias: Tensor) {
    let x = saved.input_ND.numbers
    var input = Tensor(uninitialized: gradient_ND.shape)
    var gain = Tensor(zeros: saved.gain_D.shape)
    var bias = Tensor(zeros: saved.gain_D.shape)
    kernels.layer_norm_backward(
      x.start, saved.gain_D.elements, saved.statistics_N2.elements, gradient_ND.elements,
      input.mutableElements, gain.mutableElements, bias.mutableElements,
      gradient_ND.shape.rowCount, gradient_ND.shape.width, x.format)
    return (input, gain, bias)
  }
}

extension Variable {
  /// Layer normalization over the innermost axis.
  /// - Parameters:
  ///   - gain: D factors.
  ///   - bias: D offsets.
  ///   - epsilon: added to the variance.
  /// - Complexity: O(N·D); keeps the input and two numbers a row for the backward pass.
  /// - SeeAlso: Ba, Kiros, Hinton, 2016, arXiv:1607.06450.
  public func layerNorm(gain: Variable, bias: Variable, epsilon: Float = 1e-5) -> Variable {
    precondition(
      gain.value.elementCount == shape.width && bias.value.elementCount == shape.width,
      "layerNorm: input \(shape), gain \(gain.shape), bias \(bias.shape)")
    let (output, saved) = LayerNormOperation.forward(
      input_ND: value, gain_D: gain.value, bias_D: bias.value, epsilon: epsilon, keep: tape.keep)
    let (inputNode, gainNode, biasNode) = (node, gain.node, bias.node)
    return tape.record(output, inputs: self, gain, bias) { gradient, slots in
      let gradients = LayerNormOperation.backward(gradient, saved)
      slots.accumulate(gradients.input, into: inputNode)
      slots.accumulate(gradients.gain, into: gainNode)
      slots.accumulate(gradients.bias, into: biasNode)
    }
  }
}
