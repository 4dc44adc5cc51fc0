import NanoOptim
import NanoTensor
import Testing

private struct Pair: ParameterContainer {
  var weight = Parameter(Tensor([1, 2], shape: [2]), role: .gain)
  var counter = Parameter(Tensor([5], shape: [1]), role: .state)

  mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try visit(name.part("weight"), &weight)
    try visit(name.part("counter"), &counter)
  }
}

@Test func averagesFollowWeightsAndTakeStatesOver() {
  var model = Pair()
  var average = ExponentialMovingAverage(of: model, decay: 0.75)
  model.weight.value = Tensor([5, -2], shape: [2])
  model.counter.value = Tensor([6], shape: [1])
  average.add(model)
  #expect(average.model.weight.value.scalars == [2, 1])
  #expect(average.model.counter.value.scalars == [6])
  average.add(model)
  #expect(average.model.weight.value.scalars == [2.75, 0.25])
  #expect(model.weight.value.scalars == [5, -2])
}
