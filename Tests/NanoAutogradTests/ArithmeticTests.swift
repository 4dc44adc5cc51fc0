import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func arithmetic() {
  let x = wave([3, 5])
  let y = wave([3, 5], frequency: 1.9)
  let check = GradientCheck([x, y]) { _, v in
    (v[0] + v[1]) * v[0] - v[1] * 0.5
  } reference: { v in
    zip(v[0], v[1]).map { ($0 + $1) * $0 - $1 * 0.5 }
  }
  #expect(check.worst < 1e-4)
}

@Test func reductions() {
  let check = GradientCheck([wave([4, 3])]) { _, v in
    v[0].reshaped([3, 4]).mean()
  } reference: { v in
    [v[0].reduce(0, +) / 12]
  }
  #expect(check.worst < 1e-4)
}
