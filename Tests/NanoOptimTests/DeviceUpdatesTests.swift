import NanoOptim
import NanoTensor
import TensorTestSupport
import Testing

/// Parameters of many forms: longer than a chunk, of odd extents, one row, tall, wide, stacked, inputs first.
private let matrices: [ParameterDescription] = [
  ParameterDescription(name: "wide", shape: .matrix(outputs: 12, inputs: 20)),
  ParameterDescription(name: "tall", shape: .matrix(outputs: 70, inputs: 13)),
  ParameterDescription(name: "row", shape: .matrix(outputs: 1, inputs: 9)),
  ParameterDescription(name: "column", shape: .matrix(outputs: 9, inputs: 1)),
  ParameterDescription(name: "inputs first", shape: .matrix(outputs: 24, inputs: 66, order: .inputsByOutputs)),
  ParameterDescription(name: "stack", shape: .matrices(3, outputs: 7, inputs: 5)),
  ParameterDescription(name: "stack of the same", shape: .matrices(2, outputs: 5, inputs: 7)),
  ParameterDescription(name: "two tiles", shape: .matrix(outputs: 100, inputs: 136)),
]
private let vectors: [ParameterDescription] = [
  ParameterDescription(name: "one", shape: .vector(count: 1)),
  ParameterDescription(name: "gain", shape: .vector(count: 37)),
  ParameterDescription(name: "embedding", shape: .table(rows: 301, columns: 57)),
  ParameterDescription(name: "chunks", shape: .table(rows: 128, columns: 256)),
]

/// A run of a rule on the host and the same on a GPU, side by side.
private struct SideBySide<Rule: Optimizer> {
  let rule: Rule
  let descriptions: [ParameterDescription]
  let device: Device
  let start: [[Float]]
  var hostValues: [[Float]]
  var hostStates: [Rule.State]
  var values: [Tensor]
  var gradients: [Tensor]
  var halves: [HalfTensor]
  var states: [Rule.State]
  var updates: PreparedUpdates
  var stepCount = 0
  private var generator = RandomGenerator(seed: 5)

  init(_ rule: Rule, _ descriptions: [ParameterDescription], on device: Device, loss: Tensor? = nil) {
    self.rule = rule
    self.descriptions = descriptions
    self.device = device
    var generator = RandomGenerator(seed: 4)
    start = descriptions.map { Tensor(normal: [$0.shape.elementCount], using: &generator).scalars }
    hostValues = start
    hostStates = descriptions.map { rule.makeState(for: $0) }
    values = start.map { Tensor($0, shape: [$0.count]).on(device) }
    gradients = start.map { Tensor(zeros: [$0.count]).on(device) }
    halves = values.map { HalfTensor($0, format: .bfloat16) }
    states = descriptions.map { rule.makeState(for: $0) }
    updates = DeviceUpdates(on: device, stepCount: 0).prepared()
    build(loss: loss)
  }

  mutating func build(loss: Tensor? = nil) {
    var updates = DeviceUpdates(on: device, stepCount: stepCount, loss: loss)
    for index in descriptions.indices { updates.add(parameter(index), rule: rule, state: &states[index]) }
    self.updates = updates.prepared()
  }

  private mutating func parameter(_ index: Int) -> DeviceParameter {
    DeviceParameter(
      descriptions[index], value: &values[index], gradient: gradients[index], halfValue: halves[index])
  }

  /// One step with random gradients; `change` may spoil them.
  mutating func step(
    clippingTo limit: Float = .infinity, onHost: Bool = true, change: (inout [[Float]]) -> Void = { _ in }
  ) -> UpdateOutcome {
    var random = descriptions.map { Tensor(normal: [$0.shape.elementCount], using: &generator).scalars }
    change(&random)
    let rate = 1 / Float(1 + stepCount)
    if onHost {
      var norm = GlobalNorm()
      for gradient in random { norm.add(gradient.span) }
      let factors = StepFactors(learningRate: rate, gradient: norm.factor(clippingTo: limit))
      for index in descriptions.indices {
        rule.update(&hostValues[index], gradient: random[index], factors: factors, state: &hostStates[index])
      }
    }
    for index in descriptions.indices {
      gradients[index].withMutableElements { elements in
        for position in random[index].indices { elements[position] = random[index][position] }
      }
    }
    updates.setStep(learningRateFactor: rate, clippingLimit: limit, stepCount: stepCount)
    updates.run()
    let outcome = updates.outcome()
    if outcome.isFinite {
      for index in descriptions.indices {
        rule.finishUpdate(of: parameter(index), factors: outcome.factors, state: &states[index])
      }
      stepCount += 1
    }
    return outcome
  }

  /// The largest difference of values, relative to the largest value.
  func difference(of index: Int) -> Double { relativeDifference(values[index].scalars, hostValues[index]) }

  /// The same of how far values have come.
  func differenceOfPath(of index: Int) -> Double {
    func path(_ values: [Float]) -> [Float] { zip(values, start[index]).map { $0 - $1 } }
    return relativeDifference(path(values[index].scalars), path(hostValues[index]))
  }

  func snapshots(_ states: [Rule.State]) -> [StateSnapshot] { states.map { rule.snapshot(of: $0) } }
}

private func expectSame<Rule: Optimizer>(
  _ rule: Rule, _ descriptions: [ParameterDescription], tolerance: Double, pathTolerance: Double = .infinity
) throws {
  try EmulatedGPU.withDevice { device in
    var run = SideBySide(rule, descriptions, on: device)
    for step in 0..<5 { _ = run.step(clippingTo: step.isMultiple(of: 2) ? 3 : .infinity) }
    let (host, gpu) = (run.snapshots(run.hostStates), run.snapshots(run.states))
    for (index, description) in descriptions.enumerated() {
      #expect(run.difference(of: index) <= tolerance, "\(description.name): \(run.difference(of: index))")
      #expect(
        run.differenceOfPath(of: index) < pathTolerance, "\(description.name): \(run.differenceOfPath(of: index))")
      #expect(host[index].stepCount == 5 && gpu[index].stepCount == 5)
      for (name, buffer) in host[index].buffers {
        let other = try #require(gpu[index].buffers[name])
        #expect(relativeDifference(other, buffer) < 2e-6, "\(description.name) \(name)")
      }
      let isRounded =
        run.halves[index].tensor.scalars == HalfTensor(run.values[index], format: .bfloat16).tensor.scalars
      #expect(isRounded, "\(description.name), rounded")
    }
  }
}

@Suite(.enabled(if: EmulatedGPU.isAvailable, "\(EmulatedGPU.reasonToSkip ?? "")"))
struct DeviceUpdatesTests {
  @Test func adamWOnADeviceMatchesTheHost() throws {
    try expectSame(AdamW(learningRate: 0.05, weightDecay: 0.1), vectors + matrices, tolerance: 1e-6)
    try expectSame(
      AdamW(learningRate: 0.05, beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0), vectors, tolerance: 1e-6)
  }

  @Test func sgdOnADeviceMatchesTheHost() throws {
    try expectSame(SGD(learningRate: 0.1), vectors, tolerance: 1e-6)
    try expectSame(SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1), vectors + matrices, tolerance: 1e-6)
    try expectSame(SGD(learningRate: 0.1, momentum: 0.9, usesNesterov: true), vectors, tolerance: 1e-6)
  }

  @Test(arguments: [
    Muon.kellerJordan, .pyTorch, .moonlight, .optax, .dion,
    Muon(momentumForm: .heavyBall, updateScale: .unscaled, orthogonalization: .newtonSchulz(.convergent)),
    Muon(usesNesterov: false, orthogonalization: .newtonSchulz(NewtonSchulz(coefficients: []))),
  ])
  func muonOnADeviceMatchesTheHost(rule: Muon) throws {
    var rule = rule
    rule.learningRate = 0.1
    try expectSame(rule, matrices, tolerance: 1e-4, pathTolerance: 1e-4)
  }

  @Test func trueMuonOnADeviceMatchesTheHost() throws {
    try expectSame(TrueMuon(learningRate: 0.1, weightDecay: 0.3), matrices, tolerance: 1e-4, pathTolerance: 1e-4)
  }

  /// Both round operands of products to 8 bits, and the GPU also what is between steps: together they differ by less
  /// than a tenth of the largest change.
  @Test func muonInBfloat16OnADeviceIsNearTheHost() throws {
    var iteration = NewtonSchulz.quintic
    iteration.precision = .bfloat16
    let rule = Muon(learningRate: 0.1, orthogonalization: .newtonSchulz(iteration))
    let large = ParameterDescription(name: "large", shape: .matrix(outputs: 264, inputs: 272))
    try expectSame(rule, matrices + [large], tolerance: 0.05, pathTolerance: 0.1)
    // Two iterations side by side.
    var convergent = NewtonSchulz.convergent
    convergent.precision = .bfloat16
    let routed = RoutedOptimizer(
      rule, where: { $0.name.contains("stack") }, otherwise: TrueMuon(orthogonalization: .newtonSchulz(convergent)))
    try expectSame(routed, matrices, tolerance: 0.05, pathTolerance: 0.1)
  }

  @Test func routedParametersGoToTheirRules() throws {
    let rule = RoutedOptimizer(
      Muon(), where: \.shape.isMatrix,
      otherwise: RoutedOptimizer(AdamW(), where: \.shape.isDecayed, otherwise: SGD(learningRate: 0.1, momentum: 0.5)))
    try expectSame(rule, [matrices[1], vectors[1], matrices[5], vectors[3]], tolerance: 1e-4)
  }

  @Test func normAndFactorAreThoseOfTheHost() throws {
    try EmulatedGPU.withDevice { device in
      var run = SideBySide(AdamW(), vectors + matrices, on: device)
      var norm = GlobalNorm()
      let outcome = run.step(clippingTo: 2) { gradients in
        for gradient in gradients { norm.add(gradient.span) }
      }
      #expect(abs(outcome.gradientNorm / norm.value - 1) < 1e-6)
      #expect(abs(outcome.factors.gradient / norm.factor(clippingTo: 2) - 1) < 1e-6)
      #expect(outcome.factors.learningRate == 1)
      let sums = run.updates.sumsOfSquares()
      for (sum, gradient) in zip(sums, run.gradients) {
        let expected = gradient.scalars.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(sum / expected - 1) < 1e-12)
      }
    }
  }

  @Test(arguments: [Float.infinity, .nan])
  func gradientsThatAreNotFiniteChangeNothing(value: Float) throws {
    try EmulatedGPU.withDevice { device in
      let rule = RoutedOptimizer(
        Muon(), where: \.shape.isMatrix,
        otherwise: RoutedOptimizer(AdamW(), where: \.shape.isDecayed, otherwise: SGD(momentum: 0.5)))
      let descriptions = [matrices[1], vectors[1], vectors[3], matrices[5]]
      var run = SideBySide(rule, descriptions, on: device)
      #expect(run.step().isFinite)
      let (values, snapshots) = (run.values.map(\.scalars), run.snapshots(run.states))
      let outcome = run.step(onHost: false) { $0[2][20_000] = value }
      #expect(!outcome.isFinite)
      #expect(run.updates.sumsOfSquares().map(\.isFinite) == [true, true, false, true])
      let isUnchanged = run.values.map(\.scalars) == values
      #expect(isUnchanged)
      #expect(run.snapshots(run.states) == snapshots)
      // As if it had not been.
      #expect(run.step().isFinite)
      for index in descriptions.indices { #expect(run.difference(of: index) < 1e-5) }
    }
  }

  @Test func aLossThatIsNotFiniteChangesNothing() throws {
    try EmulatedGPU.withDevice { device in
      var loss = Tensor([2.5], shape: [1]).on(device)
      var run = SideBySide(AdamW(), vectors, on: device, loss: loss)
      #expect(run.step().loss == 2.5)
      let values = run.values.map(\.scalars)
      loss = Tensor([.nan], shape: [1]).on(run.device)
      run.build(loss: loss)
      #expect(!run.step(onHost: false).isFinite)
      let isUnchanged = run.values.map(\.scalars) == values
      #expect(isUnchanged)
    }
  }

  @Test func squaresOfLargeGradientsDoNotOverflow() throws {
    try EmulatedGPU.withDevice { device in
      var run = SideBySide(AdamW(), vectors, on: device)
      let outcome = run.step(onHost: false) { $0[1][3] = 1e30 }
      #expect(outcome.isFinite && abs(outcome.gradientNorm / 1e30 - 1) < 1e-6)
    }
  }

  /// As after graphs of several shapes, each with tables of its own.
  @Test func tablesBuiltAnewGoOn() throws {
    try EmulatedGPU.withDevice { device in
      let rule = RoutedOptimizer(Muon.optax, where: \.shape.isMatrix, otherwise: AdamW(learningRate: 0.05))
      var run = SideBySide(rule, vectors + matrices, on: device)
      let first = run.updates
      _ = run.step()
      run.build()
      _ = run.step()
      run.updates = first
      _ = run.step()
      for index in run.descriptions.indices { #expect(run.difference(of: index) < 1e-5) }
      #expect(run.snapshots(run.states).allSatisfy { $0.stepCount == 3 })
    }
  }

  @Test func snapshotsGoOnWithTheSameBits() throws {
    try EmulatedGPU.withDevice { device in
      let rule = RoutedOptimizer(Muon.optax, where: \.shape.isMatrix, otherwise: AdamW(learningRate: 0.05))
      var run = SideBySide(rule, vectors + matrices, on: device)
      for _ in 0..<2 { _ = run.step() }
      var resumed = run
      // The host has the same numbers.
      let snapshots = run.snapshots(run.states)
      let onHost = try zip(run.descriptions, snapshots).map { try rule.restoreState(for: $0, from: $1) }
      #expect(run.snapshots(onHost) == snapshots)
      resumed.states = onHost
      resumed.values = run.values.map { $0.on(.cpu).on(run.device) }
      resumed.gradients = run.gradients.map { $0.on(.cpu).on(run.device) }
      resumed.halves = resumed.values.map { HalfTensor($0, format: .bfloat16) }
      resumed.build()
      for _ in 0..<2 {
        _ = run.step()
        _ = resumed.step()
      }
      #expect(run.values.map(\.scalars) == resumed.values.map(\.scalars))
      #expect(run.snapshots(run.states) == resumed.snapshots(resumed.states))
    }
  }

  @Test func rulesOfOthersAreUpdatedByTheHost() throws {
    try expectSame(Halving(), vectors, tolerance: 0)
  }

  @Test func exactOrthogonalizationIsTheHosts() throws {
    try Orthogonalization.checkExactIsAvailable()
    let rule = RoutedOptimizer(
      Muon(orthogonalization: .exact), where: \.shape.isMatrix, otherwise: TrueMuon(orthogonalization: .exact))
    try expectSame(rule, [matrices[1], matrices[5]], tolerance: 1e-6)
  }
}

/// A rule that knows nothing of GPUs.
private struct Halving: Optimizer {
  func makeState(for parameter: ParameterDescription) -> Int { 0 }

  func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors, state: inout Int
  ) {
    state += 1
    for index in gradient.indices {
      parameter[index] = parameter[index] / 2 - factors.learningRate * gradient[index] * Float(state)
    }
  }

  func stepCount(of state: Int) -> Int { state }

  func forEachBuffer(of state: Int, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void) {}

  func restoreState(for parameter: ParameterDescription, from snapshot: StateSnapshot) -> Int { snapshot.stepCount }

  func learningRate(for parameter: ParameterDescription) -> Float { 1 }
}
