import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func gathered() {
  let indices: [Int32] = [2, 0, 2, 1]
  let check = GradientCheck([wave([3, 7])]) { _, v in
    v[0].gathered(indices)
  } reference: { v in
    indices.flatMap { v[0][Int($0) * 7..<Int($0) * 7 + 7] }
  }
  #expect(check.worst < 1e-4)
}

/// The rows' gradients are added to what the head has left there.
@Test func gatheredFromATableThatIsTheHead() {
  let indices: [Int32] = [2, 0, 2, 8]
  let check = GradientCheck([wave([9, 4])]) { _, v in
    v[0].gathered(indices).linear(weight: v[0])
  } reference: { v in
    let rows = indices.flatMap { v[0][Int($0) * 4..<Int($0) * 4 + 4] }
    return Reference.linear(rows, v[0], nil, inputs: 4)
  }
  #expect(check.worst < 1e-4)
}
