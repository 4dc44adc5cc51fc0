internal import NanoLayers
internal import NanoModels
internal import NanoOptim
internal import NanoTensor

extension Trainer {
  /// The model with the mean weights that ``WeightAveraging`` keeps; nil where the rule keeps none.
  package var averagedModel: Model? {
    var averages: [[Float]] = []
    forEachOptimizerBuffer { _, buffer, elements in
      if buffer == WeightAveraging.bufferName { averages.append(elements.withUnsafeBufferPointer { Array($0) }) }
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
