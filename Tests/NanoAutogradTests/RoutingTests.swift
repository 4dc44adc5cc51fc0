import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test(arguments: [RouterScoring.sigmoid, .softmax], [true, false])
func routedWeights(scoring: RouterScoring, normalizes: Bool) {
  let logits = wave([6, 5], frequency: 1.9, scale: 1.5)
  let biases: [Float] = [0.3, -0.2, 0, 0.1, -0.4]
  let tensor = Tensor(biases, shape: [5])
  let selection = chosenExperts(logits, scoring, biases: tensor)
  func scores(_ x: ArraySlice<Double>) -> [Double] {
    scoring == .sigmoid ? x.map(Reference.sigmoid) : Reference.softmax(Array(x), width: x.count)
  }
  let check = GradientCheck([logits]) { _, v in
    v[0].routed(
      topK: 2, scoring: scoring, biases: tensor, normalizes: normalizes, scale: 1.7
    ).weights
  } reference: { x in
    (0..<6).flatMap { row -> [Double] in
      let s = scores(x[0][row * 5..<row * 5 + 5])
      let chosen = (0..<2).map { s[Int(selection.experts[row * 2 + $0])] }
      return chosen.map { 1.7 * $0 / (normalizes ? chosen.reduce(0, +) : 1) }
    }
  }
  #expect(check.worst < 2e-4)
  for row in 0..<6 {
    let s = scores(logits.scalars.map(Double.init)[row * 5..<row * 5 + 5])
    let ranked = (0..<5).sorted { s[$0] + Double(biases[$0]) > s[$1] + Double(biases[$1]) }
    #expect(selection.experts[row * 2..<row * 2 + 2].map(Int.init) == Array(ranked.prefix(2)))
  }
}

/// Six experts in three groups of two, of which two are used.
@Test func expertsComeFromTheBestGroups() {
  let groups = ExpertGroups(count: 3, topK: 2)
  func experts(_ logits: [Float], biases: [Float]) -> [Int32] {
    let tape = Tape(recording: false)
    return withExtendedLifetime(tape) {
      tape.constant(Tensor(logits, shape: [1, 6])).routed(
        topK: 3, scoring: .sigmoid, biases: Tensor(biases, shape: [6]), groups: groups
      ).selection.experts
    }
  }
  // The single best expert stands in the worst group.
  #expect(experts([3, -9, 1, 1, 0.5, 2], biases: [0, 0, 0, 0, 0, 0]) == [5, 2, 3])
  // Below 0 a score is still better than what lies outside the groups.
  #expect(experts([3, -9, 1, 1, 0.5, 2], biases: [-2, -2, -1, -1, -1, -1]) == [5, 2, 3])
  // Of equal groups the first.
  #expect(experts([0, 0, 0, 0, 0, 0], biases: [0, 0, 0, 0, 0, 0]) == [0, 1, 2])
}
