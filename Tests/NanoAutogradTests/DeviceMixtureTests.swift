import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

/// Routers and experts give the same choice, values and gradients on a GPU, here the emulated one, as on the host.
@Suite(.enabled(if: EmulatedGPU.isAvailable, "\(EmulatedGPU.reasonToSkip ?? "")"))
struct DeviceMixtureTests {
  struct Router: CustomTestStringConvertible, Sendable {
    let rows, experts, chosen: Int
    var scoring = RouterScoring.sigmoid
    var normalizes = true
    var logits = Logits.spread

    enum Logits { case spread, tied, toTheFirst }

    var testDescription: String { "\(chosen) of \(experts), \(scoring), \(logits)" }

    var values: Tensor {
      switch logits {
      case .spread: wave([rows, experts], frequency: 1.9, scale: 1.5)
      case .tied: Tensor((0..<rows * experts).map { Float($0 % 3) }, shape: [rows, experts])
      case .toTheFirst:
        Tensor((0..<rows * experts).map { $0 % experts == 0 ? 3 : -0.1 * Float($0 % experts) }, shape: [rows, experts])
      }
    }
  }

  static let routers = [
    Router(rows: 37, experts: 5, chosen: 2), Router(rows: 70, experts: 40, chosen: 6, scoring: .softmax),
    Router(rows: 9, experts: 3, chosen: 3, normalizes: false),
    Router(rows: 20, experts: 70, chosen: 40, scoring: .softmax, normalizes: false),
    Router(rows: 33, experts: 7, chosen: 2, logits: .tied),
    Router(rows: 150, experts: 4, chosen: 1, scoring: .softmax, normalizes: false, logits: .toTheFirst),
    Router(rows: 1, experts: 1, chosen: 1),
  ]

  /// Random numbers: sums of waves nearly cancel, and then show little but rounding.
  private func parameter(_ shape: Shape, _ seed: UInt64, scale: Float = 1) -> Parameter {
    var generator = RandomGenerator(seed: seed)
    return Parameter(
      Tensor(normal: shape, standardDeviation: scale, using: &generator), role: .gain)
  }

  @Test(arguments: routers)
  func choicesAndWeights(_ router: Router) throws {
    let biases = wave([router.experts], frequency: 2.3, scale: router.logits == .tied ? 0 : 0.2)
    func routed(_ logits: Variable) -> (weights: Variable, selection: ExpertSelection) {
      logits.routed(
        topK: router.chosen, scoring: router.scoring, biases: biases.on(logits.value.device),
        normalizes: router.normalizes, scale: 1.7)
    }
    let check = try DeviceCheck([Parameter(router.values, role: .gain)]) { routed($0[0]).weights }
    #expect(check.worst < 1e-5)

    let tape = Tape(recording: false)
    let host = routed(tape.constant(router.values)).selection
    try EmulatedGPU.withDevice { device in
      let selection = routed(tape.constant(router.values.on(device))).selection
      #expect(selection.experts == host.experts)
      #expect(selection.loads == host.loads && selection.rowCount == host.rowCount)
      #expect(
        relativeDifference(
          selection.scoreEntropies.map { Float($0) }, host.scoreEntropies.map { Float($0) }) < 1e-5)
    }
  }

  @Test(arguments: routers)
  func losses(_ router: Router) throws {
    let length = router.rows % 2 == 0 ? router.rows / 2 : router.rows
    func losses(_ logits: Variable) -> (balance: Variable, z: Variable) {
      let (_, selection) = logits.routed(topK: router.chosen, scoring: router.scoring)
      return (
        logits.sequenceBalanceLoss(selection, scoring: router.scoring, sequenceLength: length),
        logits.routerZLoss()
      )
    }
    let parameters = [Parameter(router.values, role: .gain)]
    let sums = try DeviceCheck(parameters) { v in
      let (balance, z) = losses(v[0])
      return balance + z
    }
    #expect(sums.worst < 1e-5)
    let auxiliary = try DeviceCheck(parameters) { v in
      let (balance, z) = losses(v[0])
      return v[0].withAuxiliaryLoss(balance, coefficient: 30).withAuxiliaryLoss(z, coefficient: 3)
    }
    #expect(auxiliary.worst < 1e-5)
  }

  private func experts(
    _ precision: Precision, _ router: Router, width: Int, hidden: Int
  ) throws -> DeviceCheck {
    let experts = router.experts
    return try DeviceCheck(
      [
        parameter([router.rows, width], 1),
        parameter([experts, 2 * hidden, width], 2, scale: 0.3),
        parameter([experts, width, hidden], 3, scale: 0.3),
        Parameter(
          Tensor(
            (0..<router.rows * router.chosen).map { 0.2 + 0.1 * Float($0 % 7) },
            shape: [router.rows, router.chosen]), role: .gain),
      ], precision: precision
    ) { v in
      let logits = v[0].tape.constant(router.values.on(v[0].value.device))
      let (_, selection) = logits.routed(topK: router.chosen, scoring: router.scoring)
      return v[0].routedExperts(weights: v[3], selection: selection, gateUp: v[1], down: v[2])
    }
  }

  /// Widths that vectors of 16 bytes divide, and others; experts without rows, with one tile and with many.
  @Test(arguments: [Precision.float32, .bfloat16], routers)
  func experts(_ precision: Precision, _ router: Router) throws {
    for (width, hidden) in [(24, 40), (13, 7), (70, 66)] {
      let check = try experts(precision, router, width: width, hidden: hidden)
      // Of one row, the weight's gradient is a single number, in which rounding does not average out.
      let rounding = router.rows == 1 ? 8e-2 : 2e-2
      #expect(check.worst < (precision == .float32 ? 1e-5 : rounding))
    }
  }

  /// An expert with so many rows that its weight gradients are sums of slices.
  @Test(arguments: [Precision.float32, .bfloat16])
  func slicesOfAnExpert(_ precision: Precision) throws {
    let router = Router(
      rows: 700, experts: 3, chosen: 1, normalizes: false, logits: .toTheFirst)
    let check = try experts(precision, router, width: 8, hidden: 4)
    #expect(check.worst < (precision == .float32 ? 1e-5 : 2e-2))
  }

  @Test(arguments: [Precision.float32, .bfloat16], [(4, 16), (3, 5)])
  func denseMixture(_ precision: Precision, _ sizes: (experts: Int, width: Int)) throws {
    let (experts, width) = sizes
    let check = try DeviceCheck(
      [
        parameter([33, 2 * experts * width], 1), parameter([33, experts], 4),
        parameter([experts, 12, width], 3, scale: 0.3), parameter([experts, 12], 5),
      ], precision: precision
    ) { v in
      v[0].expertMixture(gates: v[1].softmax(), weight: v[2], bias: v[3])
    }
    #expect(check.worst < (precision == .float32 ? 1e-5 : 2e-2))
  }
}
