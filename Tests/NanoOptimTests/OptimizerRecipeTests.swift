import Foundation
import NanoOptim
import NanoTensor
import Testing

private let descriptions = [
  ParameterDescription(name: "attention.weight", shape: .matrix(outputs: 6, inputs: 4)),
  ParameterDescription(name: "experts", shape: .matrices(2, outputs: 3, inputs: 4)),
  ParameterDescription(name: "embedding", shape: .table(rows: 5, columns: 4)),
  ParameterDescription(name: "bias", shape: .vector(count: 4)),
]

/// A few steps of a rule on a parameter, from values and gradients that its name decides.
private func trained<Rule: Optimizer>(_ rule: Rule, _ description: ParameterDescription) -> [Float] {
  var generator = RandomGenerator(seed: UInt64(description.name.count))
  func numbers() -> [Float] { (0..<description.shape.elementCount).map { _ in generator.nextUniform() - 0.5 } }
  var (values, state) = (numbers(), rule.makeState(for: description))
  for step in 0..<3 {
    rule.update(&values, gradient: numbers(), factors: StepFactors(learningRate: 1 / Float(step + 1)), state: &state)
    if step == 1 {
      // Also through a checkpoint.
      state = try! rule.restoreState(for: description, from: rule.snapshot(of: state))
    }
  }
  return values
}

@Test func aRecipeUpdatesAsTheRulesThatItNames() throws {
  let (muon, adamW) = (Muon(learningRate: 0.1, weightDecay: 0.1), AdamW(learningRate: 0.01, weightDecay: 0.2))
  let recipe = OptimizerRecipe.adamW(adamW, vectorDecay: 0).with(.muon(muon), for: ParameterKind.matrices)
  let rule = recipe.makeOptimizer()
  for description in descriptions {
    let expected: [Float]
    if description.shape.isMatrix {
      expected = trained(muon, description)
    } else {
      var plain = adamW
      plain.weightDecay = description.shape.isDecayed ? 0.2 : 0
      expected = trained(plain, description)
    }
    #expect(trained(rule, description) == expected, "\(description.name)")
    #expect(rule.learningRate(for: description) == (description.shape.isMatrix ? 0.1 : 0.01))
  }
  let coded = try JSONDecoder().decode(OptimizerRecipe.self, from: JSONEncoder().encode(recipe))
  #expect(coded == recipe && recipe.problem == nil)
}

@Test func recipesThatCannotBeAreNamed() {
  let rest = OptimizerRecipe.Group([.embedding], .adamW(AdamW()))
  #expect(OptimizerRecipe(groups: [rest]).problem?.contains("hiddenMatrix") == true)
  let all = OptimizerRecipe.adamW(AdamW())
  #expect(all.with(.muon(Muon()), for: [.embedding]).problem?.contains("Muon is for matrices alone") == true)
  #expect(all.with(.sgd(SGD(learningRate: 0)), for: [.bias]).problem?.contains("learning rate") == true)
}

/// SOAP is for matrices, but no Muon: its rate is set with AdamW's.
@Test func soapIsARuleForMatrices() {
  var rule = OptimizerRule.soap(SOAP())
  #expect(rule.isForMatrices && !rule.isOfMuonFamily && rule.preconditionFrequency == 10)
  rule.preconditionFrequency = 4
  #expect(rule == .soap(SOAP(preconditionFrequency: 4)))
  let recipe = OptimizerRecipe.adamW(AdamW()).with(rule, for: [.embedding])
  #expect(recipe.problem?.contains("SOAP is for matrices") == true)
  let muon = OptimizerRule.muon(.hyperball)
  #expect(muon.isForMatrices && muon.isOfMuonFamily && muon.preconditionFrequency == nil)
}

/// A rate of one kind leaves the others theirs, and may be set again.
@Test func kindsHaveRatesOfTheirOwn() {
  var recipe = OptimizerRecipe.adamW(AdamW(learningRate: 0.1)).with(.muon(Muon()), for: ParameterKind.matrices)
  recipe.setLearningRate(0.2, of: .embedding)
  recipe.setLearningRate(0.3, of: .outputHead)
  recipe.setLearningRate(0.4, of: .embedding)
  func rate(_ shape: ParameterShape, _ role: Parameter.Role) -> Float? {
    recipe.group(of: ParameterDescription(name: "p", shape: shape, role: role))?.rule.learningRate
  }
  let table = ParameterShape.table(rows: 2, columns: 2)
  #expect(rate(table, .embedding) == 0.4 && rate(table, .outputHead) == 0.3)
  #expect(rate(.vector(count: 2), .gain) == 0.1 && rate(.matrix(outputs: 2, inputs: 2), .router) == 0.02)
  #expect(recipe.groups.count == 4 && recipe.problem == nil)
}

/// Nothing is copied that a rule changes in place.
@Test func anyOptimizerKeepsItsBuffersWhereTheyAre() {
  let rule = AnyOptimizer(AdamW())
  let description = ParameterDescription(name: "b", shape: .vector(count: 1000))
  var (values, state) = ([Float](repeating: 1, count: 1000), rule.makeState(for: description))
  func addresses() -> [UInt] {
    var addresses: [UInt] = []
    rule.forEachBuffer(of: state) { _, elements in
      elements.withUnsafeBufferPointer { addresses.append(UInt(bitPattern: $0.baseAddress)) }
    }
    return addresses
  }
  let before = addresses()
  rule.update(&values, gradient: values, state: &state)
  #expect(addresses() == before)
}
