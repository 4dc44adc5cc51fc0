extension ForwardStatistics {
  /// Everything in it as plain numbers, for another process: none is rounded, as counts are below 2^53.
  package var numbers: [Double] {
    var numbers = [Double(attention.count)]
    func append(_ values: [Double]) { numbers += [Double(values.count)] + values }
    for layer in attention { append(layer.largestLogits.map(Double.init)) }
    numbers.append(Double(routing.count))
    for router in routing {
      append(router.loads.map(Double.init))
      numbers += [
        Double(router.rowCount), router.entropySum, Double(router.largestLogit), router.balanceLossSum,
        router.zLossSum,
      ]
    }
    return numbers
  }

  /// Takes what ``numbers`` gave from the front of `numbers`.
  package init(takingFrom numbers: inout ArraySlice<Double>) {
    func takeList() -> [Double] { (0..<Int(numbers.removeFirst())).map { _ in numbers.removeFirst() } }
    for _ in 0..<Int(numbers.removeFirst()) {
      attention.append(AttentionStatistics(largestLogits: takeList().map(Float.init)))
    }
    for _ in 0..<Int(numbers.removeFirst()) {
      routing.append(
        RoutingStatistics(
          loads: takeList().map(Int.init), rowCount: Int(numbers.removeFirst()), entropySum: numbers.removeFirst(),
          largestLogit: Float(numbers.removeFirst()), balanceLossSum: numbers.removeFirst(),
          zLossSum: numbers.removeFirst()))
    }
  }
}
