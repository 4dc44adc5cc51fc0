import NanoOptim
import Testing

private let matrix = ParameterDescription(name: "matrix", shape: .matrix(outputs: 100, inputs: 400))
private let experts = ParameterDescription(name: "experts", shape: .matrices(8, outputs: 400, inputs: 100))
private let table = ParameterDescription(name: "table", shape: .table(rows: 400, columns: 100))

/// `XᵀX` and `A²`, symmetric, and `X` times a square: m²n/2 + m³/2 + m²n multiply-adds a step.
@Test func theWorkOfAnUpdateIsThatOfItsProducts() {
  #expect(Muon().updateWork(of: matrix) == 5 * (100 * 100 * 400 * 3 / 2 + 100 * 100 * 100 / 2))
  #expect(TrueMuon().updateWork(of: experts) == 8 * Muon().updateWork(of: matrix))
}

@Test func theWorkOfSOAPIsThatOfItsProductsAndNowAndThenOfItsBases() {
  let (products, bases) = (3 * 100 * 400 * 500, 6 * (100 * 100 * 100 + 400 * 400 * 400))
  #expect(SOAP().updateWork(of: matrix) == products + bases / 10)
  #expect(SOAP(preconditionFrequency: 1).updateWork(of: experts) == 8 * (products + bases))
}

@Test func rulesOfRulesAskTheOneThatUpdates() {
  let (routed, grouped) = (
    RoutedOptimizer(Muon(), where: \.shape.isMatrix, otherwise: AdamW()),
    GroupedOptimizer([.init(ParameterKind.matrices, Muon()), .init(ParameterKind.allCases, AdamW())])
  )
  for rule in [AnyOptimizer(routed), AnyOptimizer(grouped), AnyOptimizer(WeightAveraging(routed, after: 1))] {
    #expect(rule.updateWork(of: matrix) == Muon().updateWork(of: matrix))
    #expect(rule.updateWork(of: table) == 400_000)
  }
}
