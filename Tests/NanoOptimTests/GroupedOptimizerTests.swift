import NanoOptim
import NanoTensor
import TensorTestSupport
import Testing

/// A group with a schedule is the rule with that schedule's factor times the trainer's, also after a checkpoint.
@Test func groupsHaveSchedulesOfTheirOwn() throws {
  let (slow, fast) = (SGD(learningRate: 0.1), SGD(learningRate: 0.5))
  let schedule: any LearningRateSchedule = .linear(warmUpSteps: 2, totalSteps: 6)
  let rule = GroupedOptimizer([
    .init([.hiddenMatrix], slow, schedule: schedule), .init(ParameterKind.allCases, fast),
  ])
  for shape in [ParameterShape.matrix(outputs: 2, inputs: 3), .vector(count: 6)] {
    let description = ParameterDescription(name: "p", shape: shape)
    let plain = shape.isMatrix ? slow : fast
    var (values, state) = (wave([6]).scalars, rule.makeState(for: description))
    var (expected, plainState) = (values, plain.makeState(for: description))
    for step in 0..<6 {
      let gradient = wave([6], frequency: 0.5 + Double(step)).scalars
      rule.update(&values, gradient: gradient, factors: StepFactors(learningRate: 0.25), state: &state)
      let factor = shape.isMatrix ? schedule.factor(at: step) : 1
      plain.update(
        &expected, gradient: gradient, factors: StepFactors(learningRate: 0.25 * factor), state: &plainState)
      if step == 3 { state = try rule.restoreState(for: description, from: rule.snapshot(of: state)) }
    }
    #expect(values == expected, "\(shape)")
    #expect(rule.learningRate(for: description) == plain.learningRate)
  }
}

/// What an optimizer from outside learns of the matrices that it is given.
@Test func declaredMatricesSayHowTheyLie() throws {
  let experts = ParameterShape.matrices(3, outputs: 4, inputs: 2, order: .inputsByOutputs)
  let stack = try #require(experts.matrixStack)
  #expect((stack.count, stack.outputs, stack.inputs, stack.order) == (3, 4, 2, .inputsByOutputs))
  #expect((stack.rows, stack.columns) == (2, 4) && stack.ranges == [0..<8, 8..<16, 16..<24])
  #expect(ParameterShape.matrix(outputs: 4, inputs: 2).matrixStack?.rows == 4)
  #expect(ParameterShape.table(rows: 4, columns: 2).matrixStack == nil)
}
