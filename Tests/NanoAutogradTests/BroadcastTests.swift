import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func aRowForAllRows() {
  let check = GradientCheck([wave([5]), wave([3, 5], frequency: 0.7)]) { _, v in
    v[1] * v[0].broadcast(rows: 3)
  } reference: { x in
    (0..<15).map { x[1][$0] * x[0][$0 % 5] }
  }
  #expect(check.worst < 1e-4)
}

@Test func anElementForAllColumns() {
  let check = GradientCheck([wave([3]), wave([3, 5], frequency: 0.7)]) { _, v in
    v[1] * v[0].broadcast(columns: 5)
  } reference: { x in
    (0..<15).map { x[1][$0] * x[0][$0 / 5] }
  }
  #expect(check.worst < 1e-4)
}
