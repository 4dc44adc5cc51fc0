/// A rule that turns gradients into updates, one parameter at a time.
///
/// The rule is a value without state; the state of each parameter belongs to the caller. So one rule serves
/// any number of parameters on any number of threads, and a checkpoint is the caller's to write.
///
/// ```swift
/// let muon = Muon(learningRate: 0.02)
/// let description = ParameterDescription(name: "w", shape: .matrix(outputs: 32, inputs: 16))
/// var state = muon.makeState(for: description)
/// var weights: [Float] = …
/// muon.update(&weights, gradient: gradient, state: &state)
/// ```
public protocol Optimizer<State>: Sendable {
  /// What the rule keeps of one parameter from step to step.
  associatedtype State: Sendable

  /// The state of a parameter that has not been updated yet.
  func makeState(for parameter: ParameterDescription) -> State

  /// One step.
  /// - Precondition: parameter and gradient have the element count that the state was made for.
  func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors,
    state: inout State)

  /// Steps that a state has seen.
  func stepCount(of state: State) -> Int

  /// Calls `body` with every buffer of a state, where it lies: for a checkpoint without a second copy.
  ///
  /// A buffer of one matrix of a stack is named `NAME.INDEX`; any other has what belongs to the matrices in their order. So
  /// the state of a stack can be dealt to processes.
  func forEachBuffer(
    of state: State, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows

  /// The state that ``snapshot(of:)`` saved.
  func restoreState(
    for parameter: ParameterDescription, from snapshot: StateSnapshot
  ) throws(StateMismatch) -> State

  /// Has a parameter updated on a GPU each time `updates` run, and moves its state there. A rule that leaves this out
  /// updates on the host, in ``finishUpdate(of:factors:state:)``.
  func enqueueUpdate(of parameter: DeviceParameter, state: inout State, in updates: inout DeviceUpdates)

  /// Called after updates ran on a GPU: advances the state's step count. By default the update itself, on the host, of
  /// copies of value and gradient.
  func finishUpdate(of parameter: DeviceParameter, factors: StepFactors, state: inout State)

  /// The base learning rate that a parameter's updates use, before any schedule; for logs.
  func learningRate(for parameter: ParameterDescription) -> Float

  /// About how much work an update of a parameter is, in multiply-adds, so that processes can share updates evenly. By
  /// default that of a rule which passes over the elements once.
  func updateWork(of parameter: ParameterDescription) -> Int
}

/// What varies from step to step.
public struct StepFactors: Hashable, Sendable {
  /// Multiplies the learning rate (a schedule's factor).
  public var learningRate: Float
  /// Multiplies the gradient (clipping, loss scale).
  public var gradient: Float

  /// The factors of one step; 1 changes nothing.
  public init(learningRate: Float = 1, gradient: Float = 1) {
    self.learningRate = learningRate
    self.gradient = gradient
  }
}

/// The state of one parameter in plain form, for checkpoints.
public struct StateSnapshot: Hashable, Sendable, Codable {
  /// Steps that the state has seen.
  public var stepCount: Int
  /// By name, most of them as long as the parameter.
  public var buffers: [String: [Float]]

  /// A state that has seen `stepCount` steps, 0 or more.
  public init(stepCount: Int, buffers: [String: [Float]]) {
    self.stepCount = stepCount
    self.buffers = buffers
  }
}

/// A snapshot that does not fit its parameter.
public struct StateMismatch: Error, Hashable, CustomStringConvertible {
  /// The name of the parameter.
  public let parameter: String
  /// What does not fit.
  public let reason: String

  /// An error about the state of one parameter, by its name.
  public init(parameter: String, reason: String) {
    self.parameter = parameter
    self.reason = reason
  }

  public var description: String { "optimizer state of \(parameter): \(reason)" }
}

extension Optimizer {
  /// The state as plain arrays.
  public func snapshot(of state: State) -> StateSnapshot {
    var buffers: [String: [Float]] = [:]
    forEachBuffer(of: state) { name, elements in
      buffers[name] = elements.withUnsafeBufferPointer { Array($0) }
    }
    return StateSnapshot(stepCount: stepCount(of: state), buffers: buffers)
  }

  /// One step on an array.
  public func update(
    _ parameter: inout [Float], gradient: [Float], factors: StepFactors = StepFactors(),
    state: inout State
  ) {
    var span = parameter.mutableSpan
    update(&span, gradient: gradient.span, factors: factors, state: &state)
  }

  /// One step on memory that someone else owns.
  public func update(
    _ parameter: UnsafeMutableBufferPointer<Float>, gradient: UnsafeBufferPointer<Float>,
    factors: StepFactors = StepFactors(), state: inout State
  ) {
    var span = parameter.mutableSpan
    update(&span, gradient: gradient.span, factors: factors, state: &state)
  }
}

extension Optimizer {
  /// A pass waits for memory: an element takes as long as ten multiply-adds of a product.
  public func updateWork(of parameter: ParameterDescription) -> Int { 10 * parameter.shape.elementCount }

  public func enqueueUpdate(of parameter: DeviceParameter, state: inout State, in updates: inout DeviceUpdates) {}

  public func finishUpdate(of parameter: DeviceParameter, factors: StepFactors, state: inout State) {
    updateOnHost(parameter, factors: factors, state: &state)
  }

  func updateOnHost(_ parameter: DeviceParameter, factors: StepFactors, state: inout State) {
    parameter.withHostCopies { value, gradient in
      update(&value, gradient: gradient, factors: factors, state: &state)
    }
  }
}

extension StateSnapshot {
  /// The buffer `name`, for ``Optimizer/restoreState(for:from:)``.
  /// - Parameter count: of its elements; nil for as many as the parameter has.
  /// - Throws: when it is missing, has another element count, or elements that are not finite.
  public func buffer(
    _ name: String, of parameter: ParameterDescription, count: Int? = nil
  ) throws(StateMismatch) -> [Float] {
    let count = count ?? parameter.shape.elementCount
    guard let buffer = buffers[name] else {
      throw StateMismatch(parameter: parameter.name, reason: "no buffer '\(name)'")
    }
    guard buffer.count == count else {
      throw StateMismatch(
        parameter: parameter.name,
        reason: "buffer '\(name)' has \(buffer.count) elements, not \(count) as of this parameter")
    }
    guard buffer.allSatisfy(\.isFinite) else {
      throw StateMismatch(parameter: parameter.name, reason: "buffer '\(name)' has elements that are not finite")
    }
    return buffer
  }
}
