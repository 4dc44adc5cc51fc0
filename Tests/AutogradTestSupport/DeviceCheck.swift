public import NanoAutograd
public import NanoTensor
import TensorTestSupport

/// A computation on the emulated GPU and on the host.
public struct DeviceCheck {
  /// The largest relative difference, in norm, of the results; infinite where one lacks a result that the other has.
  public let worst: Double

  /// - Parameter results: what is computed on a device.
  public init(_ results: (Device) -> [[Float]?]) throws {
    let host = results(.cpu)
    let gpu = try EmulatedGPU.withDevice(results)
    worst = zip(gpu, host).reduce(gpu.count == host.count ? 0 : .infinity) { worst, pair in
      guard let gpu = pair.0, let host = pair.1, gpu.count == host.count else {
        return pair.0 == nil && pair.1 == nil ? worst : .infinity
      }
      let difference = Self.norm(zip(gpu, host).map { $0 - $1 }) / max(1e-6, Self.norm(host))
      return difference.isNaN ? .infinity : max(worst, difference)
    }
  }

  /// What is computed of some parameters, and the gradients of a sum that weighs its elements differently.
  public init(
    _ parameters: [Parameter], precision: Precision = .float32, _ body: ([Variable]) -> Variable
  ) throws {
    try self.init { device in
      let parameters = parameters.map { Parameter($0.value.on(device), role: $0.role) }
      return Self.resultAndGradients(of: parameters, precision: precision, on: device) { tape in
        body(parameters.map { tape.variable($0) })
      }
    }
  }

  /// What is computed on a tape, and the gradients of a sum that weighs its elements differently.
  public static func resultAndGradients(
    of parameters: [Parameter], precision: Precision, on device: Device, _ body: (Tape) -> Variable
  ) -> [[Float]?] {
    let tape = Tape(precision: precision)
    let result = body(tape)
    let elements = result.value.scalars
    let weights = tape.constant(wave(result.shape, frequency: 1.3, phase: 0.5).on(device))
    let gradients = tape.gradients(of: (result * weights).sum())
    return [elements] + parameters.map { gradients[$0.id]?.scalars }
  }

  private static func norm(_ values: [Float]) -> Double {
    values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  }
}
