/// Two optimizers behind one: each parameter goes to the one that a predicate chooses.
///
/// ```swift
/// let rule = RoutedOptimizer(Muon(), where: \.shape.isMatrix, otherwise: AdamW())
/// ```
public struct RoutedOptimizer<Chosen: Optimizer, Fallback: Optimizer>: Optimizer {
  private let chosen: Chosen
  private let fallback: Fallback
  private let accepts: @Sendable (ParameterDescription) -> Bool

  /// Two rules for two sets of parameters.
  /// - Parameter accepts: whether a parameter goes to the first; it must always answer the same for one parameter.
  public init(
    _ chosen: Chosen, where accepts: @escaping @Sendable (ParameterDescription) -> Bool,
    otherwise fallback: Fallback
  ) {
    self.chosen = chosen
    self.fallback = fallback
    self.accepts = accepts
  }

  /// One parameter's state with the rule that it went to.
  public enum State: Sendable {
    case chosen(Chosen.State)
    case fallback(Fallback.State)
  }

  public func makeState(for parameter: ParameterDescription) -> State {
    accepts(parameter)
      ? .chosen(chosen.makeState(for: parameter)) : .fallback(fallback.makeState(for: parameter))
  }

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors,
    state: inout State
  ) {
    // Consuming the state keeps its buffers unshared, so they are updated in place.
    switch consume state {
    case .chosen(var inner):
      chosen.update(&parameter, gradient: gradient, factors: factors, state: &inner)
      state = .chosen(inner)
    case .fallback(var inner):
      fallback.update(&parameter, gradient: gradient, factors: factors, state: &inner)
      state = .fallback(inner)
    }
  }

  public func enqueueUpdate(of parameter: DeviceParameter, state: inout State, in updates: inout DeviceUpdates) {
    switch consume state {
    case .chosen(var inner):
      chosen.enqueueUpdate(of: parameter, state: &inner, in: &updates)
      state = .chosen(inner)
    case .fallback(var inner):
      fallback.enqueueUpdate(of: parameter, state: &inner, in: &updates)
      state = .fallback(inner)
    }
  }

  public func finishUpdate(of parameter: DeviceParameter, factors: StepFactors, state: inout State) {
    switch consume state {
    case .chosen(var inner):
      chosen.finishUpdate(of: parameter, factors: factors, state: &inner)
      state = .chosen(inner)
    case .fallback(var inner):
      fallback.finishUpdate(of: parameter, factors: factors, state: &inner)
      state = .fallback(inner)
    }
  }

  public func stepCount(of state: State) -> Int {
    switch state {
    case .chosen(let inner): chosen.stepCount(of: inner)
    case .fallback(let inner): fallback.stepCount(of: inner)
    }
  }

  public func forEachBuffer(
    of state: State, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    switch state {
    case .chosen(let inner): try chosen.forEachBuffer(of: inner, body)
    case .fallback(let inner): try fallback.forEachBuffer(of: inner, body)
    }
  }

  public func restoreState(
    for parameter: ParameterDescription, from snapshot: StateSnapshot
  ) throws(StateMismatch) -> State {
    accepts(parameter)
      ? .chosen(try chosen.restoreState(for: parameter, from: snapshot))
      : .fallback(try fallback.restoreState(for: parameter, from: snapshot))
  }

  public func learningRate(for parameter: ParameterDescription) -> Float {
    accepts(parameter)
      ? chosen.learningRate(for: parameter) : fallback.learningRate(for: parameter)
  }

  public func updateWork(of parameter: ParameterDescription) -> Int {
    accepts(parameter) ? chosen.updateWork(of: parameter) : fallback.updateWork(of: parameter)
  }
}
