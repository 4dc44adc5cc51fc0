internal import NanoLayers
internal import NanoModels
internal import NanoOptim
internal import NanoTensor

extension Trainer {
  /// The model with the mean weights that ``WeightAveraging`` keeps; nil where the rule keeps none. On several ranks it is
  /// rank 0's to ask for, while the others are in ``serveOptimizerState()``.
  package var averagedModel: Model? {
    var averages: [[Float]] = []
    forEachOptimizerBuffer(named: WeightAveraging.bufferName) { _, _, elements in
      averages.append(elements.withUnsafeBufferPointer { Array($0) })
    }
    guard averages.count == ids.count else { return nil }
    var (result, iterator) = (model, averages.makeIterator())
    result.visitParameters(.root(wanted: false)) { _, parameter in
      guard parameter.role != .state, let average = iterator.next() else { return }
      parameter.value = Tensor(average, shape: parameter.value.shape).on(parameter.value.device)
    }
    return result
  }
}
