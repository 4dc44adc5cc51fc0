import AutogradTestSupport
import NanoAutograd
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

/// Mixtures of experts on a GPU, here the emulated one, and on the host.
@Suite(.enabled(if: EmulatedGPU.isAvailable, "\(EmulatedGPU.reasonToSkip ?? "")"))
struct DeviceMixtureLayerTests {
  /// A layer's outputs, and the gradients of its parameters.
  private func deviceCheck(_ layer: some Layer, precision: Precision) throws -> DeviceCheck {
    try DeviceCheck { device in
      var layer = layer
      layer.visitParameters(.root()) { _, parameter in parameter.value = parameter.value.on(device) }
      return DeviceCheck.resultAndGradients(
        of: layer.namedParameters.map(\.parameter), precision: precision, on: device
      ) { tape in
        layer(
          tape.constant(wave([24, 12], frequency: 2.1).on(device)),
          in: ForwardContext(tape: tape, sequenceLength: 8))
      }
    }
  }

  @Test(arguments: [Precision.float32, .bfloat16], [RouterScoring.sigmoid, .softmax])
  func sparse(_ precision: Precision, _ scoring: RouterScoring) throws {
    var generator = RandomGenerator(seed: 7)
    let layer = SparseMoE(
      width: 12,
      .init(
        expertCount: 5, topK: 2, expertWidth: 8, scoring: scoring, scale: 1.4,
        balanceLossCoefficient: 0.5, zLossCoefficient: 0.1),
      initialization: .normal(standardDeviation: 0.4), using: &generator)
    let check = try deviceCheck(layer, precision: precision)
    #expect(check.worst < (precision == .float32 ? 1e-5 : 3e-2))
  }

  @Test(arguments: [Precision.float32, .bfloat16])
  func dense(_ precision: Precision) throws {
    var generator = RandomGenerator(seed: 8)
    let layer = DenseMoE(
      width: 12, .init(expertCount: 3, expertWidth: 8), using: &generator)
    let check = try deviceCheck(layer, precision: precision)
    #expect(check.worst < (precision == .float32 ? 1e-5 : 3e-2))
  }

  /// Reports are the host's, as often as they are asked for.
  @Test(arguments: [true, false])
  func routersReportFromAGPU(recording: Bool) throws {
    var generator = RandomGenerator(seed: 7)
    var layer = SparseMoE(
      width: 6, .init(expertCount: 4, topK: 2, expertWidth: 4, balanceLossCoefficient: 1),
      initialization: .normal(standardDeviation: 1), using: &generator)
    func recorder(_ layer: SparseMoE) -> StatisticsRecorder {
      let recorder = StatisticsRecorder()
      let tape = Tape(recording: recording)
      let input = wave([8, 6], frequency: 2.1).on(layer.gateUp.value.device)
      _ = layer(
        tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 4, recorder: recorder))
      return recorder
    }
    let host = recorder(layer).statistics.routing[0]
    var hostLayer = layer
    try EmulatedGPU.withDevice { device in
      layer.visitParameters(.root()) { _, parameter in parameter.value = parameter.value.on(device) }
      let recorder = recorder(layer)
      for _ in 0..<2 {
        let gpu = recorder.statistics.routing[0]
        #expect(gpu.loads == host.loads && gpu.rowCount == host.rowCount)
        #expect(abs(gpu.largestLogit - host.largestLogit) < 1e-5)
        #expect(abs(gpu.entropySum - host.entropySum) < 1e-5 * host.entropySum)
        #expect(abs(gpu.balanceLoss - host.balanceLoss) < 1e-5 && abs(gpu.zLoss - host.zLoss) < 1e-5)
        #expect(gpu.balanceLoss > 0 && (gpu.zLoss > 0) == !recording)
      }
      // The biases move where they lie.
      hostLayer.updateSelectionBiases(loads: host.loads, rate: 0.1)
      layer.updateSelectionBiases(loads: host.loads, rate: 0.1)
      let biases = layer.selectionBiases.value
      #expect(biases.device == device)
      #expect(relativeDifference(biases.scalars, hostLayer.selectionBiases.value.scalars) < 1e-6)
    }
  }
}
