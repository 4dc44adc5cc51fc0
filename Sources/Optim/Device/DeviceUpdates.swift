internal import NanoCUDA
internal import NanoPreconditions
package import NanoTensor

/// The updates of all parameters on a GPU: a few launches over tables in its memory, however many parameters.
///
/// ```swift
/// var updates = DeviceUpdates(on: device, stepCount: stepCount)
/// for index in parameters.indices {
///   updates.add(parameters[index], rule: rule, state: &states[index])
/// }
/// let prepared = updates.prepared()
/// // every step
/// prepared.setStep(learningRateFactor: 0.5, clippingLimit: 1, stepCount: stepCount)
/// prepared.run()
/// let outcome = prepared.outcome()
/// if outcome.isFinite {
///   for index in parameters.indices {
///     rule.finishUpdate(of: parameters[index], factors: outcome.factors, state: &states[index])
///   }
/// }
/// ```
///
/// Gradients that are not finite change nothing. A rule hands its updates over in
/// ``Optimizer/enqueueUpdate(of:state:in:)``; those of a rule that does not are made by the host.
public struct DeviceUpdates {
  private let gpu: CUDADevice
  /// The run's updates when parameters were added.
  private let stepCount: Int
  private let loss: Tensor?

  private var parameters: [ParameterRecord] = []
  private var rules: [RuleRecord] = []
  private var adamW: [Int] = []
  private var sgd: [Int] = []
  private var stacks: [BatchedStack] = []
  private var batches: [(kind: MatrixBatch.Kind, count: Int)] = []

  /// - Parameters:
  ///   - device: a GPU.
  ///   - stepCount: updates of the run so far.
  ///   - loss: a scalar on the GPU that has to be finite as well, and comes back with the outcome.
  package init(on device: Device, stepCount: Int, loss: Tensor? = nil) {
    guard let gpu = device.gpu else { fatalError("DeviceUpdates: on \(device)") }
    checkPrecondition(loss.map { $0.elementCount == 1 && $0.device == device } ?? true, "DeviceUpdates: the loss")
    self.gpu = gpu
    self.stepCount = stepCount
    self.loss = loss
  }

  // MARK: Building

  /// Adds a parameter; its gradient counts in the norm whoever updates it.
  package mutating func add<Rule: Optimizer>(_ parameter: DeviceParameter, rule: Rule, state: inout Rule.State) {
    checkPrecondition(parameter.value.gpu === gpu, "DeviceUpdates: \(parameter.description.name) on another device")
    parameters.append(
      ParameterRecord(
        value: parameter.value.start, gradient: parameter.gradient.start, halfValue: parameter.halfValue?.start,
        count: Int64(parameter.description.shape.elementCount)))
    rules.append(RuleRecord())
    rule.enqueueUpdate(of: parameter, state: &state, in: &self)
  }

  /// AdamW's update of the parameter that is being added, with its moments.
  mutating func enqueueAdamW(_ rule: RuleRecord, stepCount: Int, mean: inout Tensor, square: inout Tensor) {
    adamW.append(enqueue(rule, stepCount: stepCount))
    parameters[parameters.count - 1].first = place(&mean)
    parameters[parameters.count - 1].second = place(&square)
  }

  /// SGD's update of the parameter that is being added.
  mutating func enqueueSGD(_ rule: RuleRecord, stepCount: Int, momentum: inout Tensor) {
    sgd.append(enqueue(rule, stepCount: stepCount))
    parameters[parameters.count - 1].first = place(&momentum)
  }

  /// Muon's update of the parameter that is being added, if its orthogonalization runs here.
  mutating func enqueueMuon(_ rule: RuleRecord, state: inout MatrixMomentum, orthogonalization: Orthogonalization) {
    guard orthogonalization.runsOnDevices, case .newtonSchulz(let iteration) = orthogonalization else { return }
    let parameter = enqueue(rule, stepCount: state.stepCount)
    parameters[parameter].first = place(&state.momentum)
    let kind = MatrixBatch.Kind(state.stack, iteration)
    let batch = batches.firstIndex { $0.kind == kind } ?? batches.count
    if batch == batches.count { batches.append((kind, 0)) }
    stacks.append(
      BatchedStack(
        parameter: parameter, batch: batch, firstMatrix: batches[batch].count, stack: state.stack,
        iteration: iteration))
    batches[batch].count += state.stack.count
  }

  private mutating func enqueue(_ rule: RuleRecord, stepCount: Int) -> Int {
    var rule = rule
    rule.stepOffset = Int32(stepCount - self.stepCount)
    rules[rules.count - 1] = rule
    return rules.count - 1
  }

  /// Moves a state to the GPU, if it is not there yet.
  private func place(_ tensor: inout Tensor) -> UnsafeMutableRawPointer {
    tensor = tensor.on(Device(gpu))
    tensor.makeUnshared()
    return tensor.numbers.start
  }

  /// Takes memory for tables and for what lies between launches, once all parameters are added.
  package func prepared() -> PreparedUpdates {
    PreparedUpdates(
      on: gpu, parameters: parameters, rules: rules, adamW: adamW, sgd: sgd, stacks: stacks,
      batches: batches.map { MatrixBatch($0.kind, count: $0.count, on: gpu) }, loss: loss)
  }
}
