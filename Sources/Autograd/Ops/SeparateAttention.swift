internal import NanoPreconditions
public import NanoTensor

extension Variable {
  /// Multi-head causal self-attention like ``causalAttention(sequenceLength:headCount:scale:dropout:observing:)``, of
  /// queries, keys and values that lie apart: `self` holds the queries.
  /// - Parameters:
  ///   - key: of the shape of the queries, head h in the h-th slice of each row.
  ///   - value: of the same shape.
  /// - Returns: one row a position, the heads' outputs side by side; in half precision rounded to it.
  public func causalAttention(
    key: Variable, value: Variable, sequenceLength: Int, headCount: Int, scale: Float, dropout: DropoutMasks? = nil,
    observing: ((Tensor) -> Void)? = nil
  ) -> Variable {
    let (rows, width) = (shape.rowCount, shape.width)
    checkPrecondition(
      sequenceLength > 0 && rows % sequenceLength == 0 && headCount > 0 && width % headCount == 0
        && key.shape == shape && value.shape == shape,
      "causalAttention: queries \(shape), keys \(key.shape), values \(value.shape), sequences of \(sequenceLength), "
        + "\(headCount) heads")
    let layout = CausalAttentionOperation.Geometry.Layout(rowStride: width, headStep: width / headCount)
    let geometry = CausalAttentionOperation.Geometry(
      sequenceCount: rows / sequenceLength, sequenceLength: sequenceLength, headCount: headCount,
      keyWidth: width / headCount, valueWidth: width / headCount, query: layout, key: layout, value: layout,
      output: layout, scale: scale, precision: tape.precision, dropout: dropout,
      isRecorded: tape.isRecording)
    let inputs = [self, key, value]
    let kept = inputs.map { tape.operand($0) }
    func operands(_ parts: [Activation]) -> CausalAttentionOperation.Operands {
      CausalAttentionOperation.Operands(query: parts[0].numbers, key: parts[1].numbers, value: parts[2].numbers)
    }
    func room() -> Activation {
      Activation(uninitialized: [rows, width], format: geometry.format, on: kept[0].gpu)
    }
    var output = room()
    let saved = CausalAttentionOperation.forward(operands(kept), into: &output, geometry, observing: observing)
    let nodes = inputs.map(\.node)
    return tape.record(output, inputs: inputs) { gradient, slots in
      let gradient = gradient.rounded(to: geometry.format)
      var (query, key, value) = (room(), room(), room())
      query.withMutableNumbers { query in
        key.withMutableNumbers { key in
          value.withMutableNumbers { value in
            CausalAttentionOperation.backward(
              gradient.numbers, operands(kept), saved, into: (query, key, value), geometry)
          }
        }
      }
      for (result, node) in zip([query, key, value], nodes) { slots.accumulate(result, into: node) }
    }
  }
}
