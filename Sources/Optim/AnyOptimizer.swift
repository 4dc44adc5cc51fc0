/// An optimizer whose rule is known only at run time: one indirect call a parameter a step.
public struct AnyOptimizer: Optimizer {
  private let rule: any Optimizer

  /// A rule whose type no longer shows; its updates stay the same.
  public init(_ rule: some Optimizer) { self.rule = rule }

  /// The state of the rule.
  public struct State: Sendable {
    private var box: StateBox

    fileprivate init(_ value: some Sendable) { box = TypedStateBox(value) }

    /// Calls `body` with the rule's own state, where it lies; a copy of this state keeps its own.
    fileprivate mutating func withValue<Inner: Sendable>(_ body: (inout Inner) -> Void) {
      if !isKnownUniquelyReferenced(&box) { box = box.copy() }
      body(&typed(Inner.self).value)
    }

    fileprivate func get<Inner: Sendable>(_ type: Inner.Type) -> Inner { typed(type).value }

    private func typed<Inner: Sendable>(_ type: Inner.Type) -> TypedStateBox<Inner> {
      guard Swift.type(of: box) == TypedStateBox<Inner>.self else {
        fatalError("AnyOptimizer: a state of another rule")
      }
      return unsafeDowncast(box, to: TypedStateBox<Inner>.self)
    }
  }

  public func makeState(for parameter: ParameterDescription) -> State {
    func open(_ rule: some Optimizer) -> State { State(rule.makeState(for: parameter)) }
    return open(rule)
  }

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors, state: inout State
  ) {
    Self.update(rule, &parameter, gradient, factors, &state)
  }

  private static func update<Rule: Optimizer>(
    _ rule: Rule, _ parameter: inout MutableSpan<Float>, _ gradient: Span<Float>, _ factors: StepFactors,
    _ state: inout State
  ) {
    state.withValue { (inner: inout Rule.State) in
      rule.update(&parameter, gradient: gradient, factors: factors, state: &inner)
    }
  }

  public func stepCount(of state: State) -> Int {
    func open<Rule: Optimizer>(_ rule: Rule) -> Int { rule.stepCount(of: state.get(Rule.State.self)) }
    return open(rule)
  }

  public func forEachBuffer(
    of state: State, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    try Self.forEachBuffer(rule, state, body)
  }

  private static func forEachBuffer<Rule: Optimizer>(
    _ rule: Rule, _ state: State, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    try rule.forEachBuffer(of: state.get(Rule.State.self), body)
  }

  public func restoreState(
    for parameter: ParameterDescription, from snapshot: StateSnapshot
  ) throws(StateMismatch) -> State {
    func open(_ rule: some Optimizer) throws(StateMismatch) -> State {
      State(try rule.restoreState(for: parameter, from: snapshot))
    }
    return try open(rule)
  }

  public func enqueueUpdate(of parameter: DeviceParameter, state: inout State, in updates: inout DeviceUpdates) {
    Self.enqueueUpdate(rule, parameter, &state, &updates)
  }

  private static func enqueueUpdate<Rule: Optimizer>(
    _ rule: Rule, _ parameter: DeviceParameter, _ state: inout State, _ updates: inout DeviceUpdates
  ) {
    state.withValue { (inner: inout Rule.State) in
      rule.enqueueUpdate(of: parameter, state: &inner, in: &updates)
    }
  }

  public func finishUpdate(of parameter: DeviceParameter, factors: StepFactors, state: inout State) {
    Self.finishUpdate(rule, parameter, factors, &state)
  }

  private static func finishUpdate<Rule: Optimizer>(
    _ rule: Rule, _ parameter: DeviceParameter, _ factors: StepFactors, _ state: inout State
  ) {
    state.withValue { (inner: inout Rule.State) in
      rule.finishUpdate(of: parameter, factors: factors, state: &inner)
    }
  }

  public func learningRate(for parameter: ParameterDescription) -> Float { rule.learningRate(for: parameter) }

  public func updateWork(of parameter: ParameterDescription) -> Int { rule.updateWork(of: parameter) }
}

/// A rule's state; written only while it has one owner.
private class StateBox: @unchecked Sendable {
  func copy() -> StateBox { fatalError("StateBox: of no type") }
}

private final class TypedStateBox<Value: Sendable>: StateBox, @unchecked Sendable {
  var value: Value

  init(_ value: Value) { self.value = value }

  override func copy() -> StateBox { TypedStateBox(value) }
}
