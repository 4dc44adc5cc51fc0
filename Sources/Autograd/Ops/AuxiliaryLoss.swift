internal import NanoPreconditions
internal import NanoTensor

extension Variable {
  /// This variable unchanged; behind it, `coefficient · loss` takes part in the differentiation as if it
  /// had been added to the scalar that is differentiated.
  ///
  /// So a layer can have a loss of its own, also inside a checkpoint, without handing it through all that
  /// is above it.
  public func withAuxiliaryLoss(_ loss: Variable, coefficient: Float) -> Variable {
    checkPrecondition(loss.shape.elementCount == 1, "withAuxiliaryLoss: a scalar, not \(loss.shape)")
    let (node, lossNode, gpu) = (node, loss.node, loss.content.gpu)
    return tape.record(content, inputs: [self, loss]) { gradient, slots in
      slots.accumulate(gradient, into: node)
      slots.accumulate(Tensor(repeating: slots.seed * coefficient, shape: [], on: gpu), into: lossNode)
    }
  }
}
