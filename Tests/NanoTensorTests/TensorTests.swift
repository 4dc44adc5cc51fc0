import NanoTensor
import Testing

@Test func copiesShareUntilWritten() {
  let original = Tensor([1, 2, 3], shape: [3])
  var copy = original
  copy.withMutableElements { $0[0] = 9 }
  #expect(original.scalars == [1, 2, 3] && copy.scalars == [9, 2, 3])
}

@Test func notFiniteIsSeen() {
  #expect(Tensor([1, 3e38, 3e38], shape: [3]).isFinite)
  #expect(!Tensor([1, .nan], shape: [2]).isFinite)
  #expect(!Tensor([-.infinity], shape: [1]).isFinite)
}
