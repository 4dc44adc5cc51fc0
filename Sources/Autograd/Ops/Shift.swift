internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

extension Variable {
  /// The rows of each sequence `steps` later: row t of a sequence becomes row t + steps, those that leave it are dropped,
  /// and zeros come in. With negative steps earlier.
  ///
  /// So `shifted(by: 1, sequenceLength: T)` gives every position what the one before it has. The gradient is shifted back.
  /// - Parameters:
  ///   - steps: k; of either sign, and as many as there are rows or more leave only zeros.
  ///   - sequenceLength: T rows of one sequence; the rows of all sequences lie one after another.
  /// - Precondition: whole sequences.
  public func shifted(by steps: Int, sequenceLength: Int) -> Variable {
    checkPrecondition(
      sequenceLength > 0 && shape.rowCount % sequenceLength == 0,
      "shifted: \(shape), sequences of \(sequenceLength)")
    let node = node
    return tape.record(value.shifted(by: steps, sequenceLength: sequenceLength), inputs: self) { gradient, slots in
      slots.accumulate(gradient.shifted(by: -steps, sequenceLength: sequenceLength), into: node)
    }
  }
}

extension Tensor {
  fileprivate func shifted(by steps: Int, sequenceLength: Int) -> Tensor {
    let kept = max(0, sequenceLength - abs(steps))
    let (from, to) = (max(0, -steps), max(0, steps))
    if let gpu { return shifted(kept, from: from, to: to, sequenceLength: sequenceLength, on: gpu) }
    var result = Tensor(zeros: shape)
    for first in stride(from: 0, to: shape.rowCount, by: sequenceLength) where kept > 0 {
      kernels.copyRows(kept, of: self, from: first + from, to: &result, at: first + to)
    }
    return result
  }

  /// Copies `kept` rows of every sequence.
  private func shifted(_ kept: Int, from: Int, to: Int, sequenceLength: Int, on gpu: CUDADevice) -> Tensor {
    var result = Tensor(uninitialized: shape, on: gpu)
    let rowBytes = shape.width * MemoryLayout<Float>.stride
    result.withMutableNumbers { result in
      gpu.clear(result.numbers.start, bytes: shape.rowCount * rowBytes)
      for first in stride(from: 0, to: shape.rowCount, by: sequenceLength) {
        gpu.copy(
          from: numbers.advanced(by: (first + from) * shape.width).start,
          to: result.advanced(by: (first + to) * shape.width).numbers.start, bytes: kept * rowBytes)
      }
    }
    return result
  }
}
