internal import CNanoKernels
internal import NanoTensor

// N rows, D width.

/// `y = g · x / √(mean(x²) + ε)` over each row.
enum RMSNormOperation {
  struct Saved {
    let input_ND: KeptTensor
    let gain_D: Tensor
    /// 1/√(mean(x²) + ε) of every row.
    let reciprocals_N: Tensor
  }

  static func forward(
    input_ND: Tensor, gain_D: Tensor, epsilon: Float, keep: (Tensor) -> KeptTensor
  ) -> (output: Tensor, saved: Saved) {
    var output = Tensor(uninitialized: input_ND.shape)
    var reciprocals = Tensor(uninitialized: [input_ND.shape.rowCount])
    kernels.rms_norm(
      input_ND.elements, gain_D.elements, output.mutableElements, reciprocals.mutableElements,
      input_ND.shape.rowCount, input_ND.shape.width, epsilon)
    return (output, Saved(input_ND: keep(input_ND), gain_D: gain_D, reciprocals_N: reciprocals))
  }

  static func backward(_ gradient_ND: Tensor, _ saved: Saved) -> (input: Tensor, gain: Tensor) {
    let x = saved.input_ND.numbers
    var input = Tensor(uninitialized: gradient_ND.shape)
    var gain = Tensor(zeros: saved.gain_D.shape)
    kernels.rms_norm_backward(
      x.start, saved.gain_D.elements, saved.reciprocals_N.elements, gradient_ND.elements,
      input.mutableElements, gain.mutableElements, gradient_ND.shape.rowCount,
      gradient_ND.shape.width, x.format)
    return (input, gain)
  }
}

extension Variable {
  /// Root-mean-square normalization over the innermost axis.
  /// - Parameters:
  ///   - gain: D factors.
  ///   - epsilon: added to the mean square.
  /// - Complexity: O(N·D); keeps the input and one number a row for the backward pass.
  /// - SeeAlso: Zhang, Sennrich, 2019, arXiv:1910.07467.
  public func rmsNorm(gain: Variable, epsilon: Float = 1e-6) -> Variable {
    precondition(
      gain.value.elementCount == shape.width, "rmsNorm: input \(shape), gain \(gain.shape)")
    let (output, saved) = RMSNormOperation.forward(
      input_ND: value, gain_D: gain.value, epsilon: epsilon, keep: tape.keep)
    let (inputNode, gainNode) = (node, gain.node)
    return tape.record(output, inputs: self, gain) { gradient, slots in
      let gradients = RMSNormOperation.backward(gradient, saved)
      slots.accumulate(gradients.input, into: inputNode)
      slots.accumulate(gradients.gain, into: gainNode)
    }
  }
}
