internal import NanoPreconditions
internal import NanoTensor

// N rows in sequences of T, W width, K positions.

/// `y_t = Σ_k w_k x_(t-k)`, channel by channel, with zeros before a sequence's first row.
enum CausalConvolutionOperation {
  struct Saved {
    let input_NW: Activation
    let weight_KW: Tensor
    let sequenceLength: Int
  }

  static func forward(input_NW: Tensor, weight_KW: Tensor, sequenceLength: Int) -> Tensor {
    var output = Tensor(zeros: input_NW.shape)
    input_NW.withElements { x in
      weight_KW.withElements { w in
        output.withMutableElements { y in
          forEachPair(input_NW.shape, weight_KW.shape, sequenceLength) { row, source, tap, width in
            for c in 0..<width { y[row + c] += w[tap + c] * x[source + c] }
          }
        }
      }
    }
    return output
  }

  static func backward(_ gradient_NW: Tensor, _ saved: Saved) -> (input: Tensor, weight: Tensor) {
    let kept = saved.input_NW.tensor
    var input = Tensor(zeros: gradient_NW.shape)
    var weight = Tensor(zeros: saved.weight_KW.shape)
    gradient_NW.withElements { dy in
      kept.withElements { x in
        saved.weight_KW.withElements { w in
          input.withMutableElements { dx in
            weight.withMutableElements { dw in
              forEachPair(kept.shape, saved.weight_KW.shape, saved.sequenceLength) { row, source, tap, width in
                for c in 0..<width {
                  dx[source + c] += w[tap + c] * dy[row + c]
                  dw[tap + c] += x[source + c] * dy[row + c]
                }
              }
            }
          }
        }
      }
    }
    return (input, weight)
  }

  /// Calls `body` with where a result's row begins, a row that enters it, and the weights that belong to the pair.
  @inline(__always)
  private static func forEachPair(
    _ input: Shape, _ weight: Shape, _ sequenceLength: Int,
    _ body: (_ row: Int, _ source: Int, _ tap: Int, _ width: Int) -> Void
  ) {
    let width = input.width
    for row in 0..<input.rowCount {
      for tap in 0..<min(weight[0], row % sequenceLength + 1) {
        body(row * width, (row - tap) * width, tap * width, width)
      }
    }
  }
}

extension Variable {
  /// A causal depthwise convolution along each sequence: `y_t = Σ_k w_k ⊙ x_(t-k)`, zeros before the first row.
  /// - Parameters:
  ///   - weight: K × W, the factors on a row itself first, then those on the rows before it.
  ///   - sequenceLength: T rows of one sequence; the rows of all sequences lie one after another.
  /// - Complexity: O(N·W·K); keeps the input for the backward pass.
  /// - Precondition: whole sequences, and weights as wide as the rows.
  /// - SeeAlso: So et al., "Primer", 2021, arXiv:2109.08668, for such convolutions in transformers.
  public func causalConvolution(weight: Variable, sequenceLength: Int) -> Variable {
    checkPrecondition(
      weight.shape.rank == 2 && weight.shape.width == shape.width && sequenceLength > 0
        && shape.rowCount % sequenceLength == 0,
      "causalConvolution: \(shape), weight \(weight.shape), sequences of \(sequenceLength)")
    guard value.gpu == nil else { return composedConvolution(weight: weight, sequenceLength: sequenceLength) }
    let saved = CausalConvolutionOperation.Saved(
      input_NW: tape.keep(self), weight_KW: weight.value, sequenceLength: sequenceLength)
    let output = CausalConvolutionOperation.forward(
      input_NW: value, weight_KW: weight.value, sequenceLength: sequenceLength)
    let (inputNode, weightNode) = (node, weight.node)
    return tape.record(output, inputs: self, weight) { gradient, slots in
      let gradients = CausalConvolutionOperation.backward(gradient, saved)
      slots.accumulate(gradients.input, into: inputNode)
      slots.accumulate(gradients.weight, into: weightNode)
    }
  }

  /// The same of shifted rows, for a GPU.
  private func composedConvolution(weight: Variable, sequenceLength: Int) -> Variable {
    let rows = shape.rowCount
    func term(_ tap: Int) -> Variable {
      let source = tap == 0 ? self : shifted(by: tap, sequenceLength: sequenceLength)
      return source * weight.gathered([Int32](repeating: Int32(tap), count: rows))
    }
    return (1..<weight.shape[0]).reduce(term(0)) { $0 + term($1) }
  }
}
