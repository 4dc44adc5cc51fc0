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

@Test func tensorsAreEqualByShapeAndElements() {
  let x = Tensor([1, 2, 3, 4], shape: [2, 2])
  #expect(x == Tensor([1, 2, 3, 4], shape: [2, 2]))
  #expect(x != Tensor([1, 2, 3, 5], shape: [2, 2]))
  #expect(x != Tensor([1, 2, 3, 4], shape: [4]))
  #expect(Tensor([.nan], shape: [1]) != Tensor([.nan], shape: [1]))
}

@Test func subscriptsAreRowMajorAndCopyWhatIsShared() {
  var x = Tensor([1, 2, 3, 4, 5, 6], shape: [2, 3])
  let before = x
  x[1, 0] = 9
  #expect(x[1, 0] == 9 && x[0, 2] == 3 && before[1, 0] == 4)
  #expect(x.scalars == [1, 2, 3, 9, 5, 6])
}

@Test func tensorsPrintAsNumPyDoes() {
  #expect(
    Tensor([1, 2.5, 3, 4, -5, 600], shape: [2, 3]).description == """
      Tensor [2×3]
      [[  1 2.5   3]
       [  4  -5 600]]
      """)
  #expect(Tensor([7], shape: []).description == "Tensor []\n7")
  #expect(
    Tensor([1, 2, 3, 4], shape: [2, 1, 2]).description == """
      Tensor [2×1×2]
      [[[1 2]]

       [[3 4]]]
      """)
  #expect(Tensor(repeating: 0, shape: [2000]).description == "Tensor [2000]\n[0 0 0 ... 0 0 0]")
}

@Test func aTensorTakesTheElementsThatAreAppended() {
  let squares = Tensor(shape: [2, 3]) { elements in
    for i in 0..<6 { elements.append(Float(i * i)) }
  }
  #expect(squares.scalars == [0, 1, 4, 9, 16, 25] && squares.shape == [2, 3])
}
