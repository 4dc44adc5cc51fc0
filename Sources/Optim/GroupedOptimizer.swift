/// Several optimizers behind one: each parameter goes to the first group that has its kind.
///
/// ```swift
/// let rule = GroupedOptimizer([
///   .init([.hiddenMatrix, .expertMatrix], Muon(learningRate: 0.02)),
///   .init([.embedding], AdamW(learningRate: 4e-3), schedule: .linear(totalSteps: 1_000)),
///   .init(ParameterKind.allCases, AdamW(learningRate: 1e-3)),
/// ])
/// ```
public struct GroupedOptimizer: Optimizer {
  /// Parameters of some kinds, and what updates them.
  public struct Group: Sendable {
    let kinds: [ParameterKind]
    let rule: AnyOptimizer
    let schedule: (any LearningRateSchedule)?

    /// - Parameter schedule: the group's own factors on its rate, by the steps that a parameter has seen, times those of
    ///   the trainer's schedule; nil for none. On a GPU a group with a schedule is updated on the host.
    public init(
      _ kinds: [ParameterKind], _ rule: some Optimizer, schedule: (any LearningRateSchedule)? = nil
    ) {
      self.kinds = kinds
      self.rule = rule as? AnyOptimizer ?? AnyOptimizer(rule)
      self.schedule = schedule
    }
  }

  private let groups: [Group]

  /// Groups, of which the first that has a parameter's kind updates it.
  /// - Precondition: each parameter that is to be updated has a group.
  public init(_ groups: [Group]) { self.groups = groups }

  /// One parameter's group and its state there.
  public struct State: Sendable {
    let group: Int
    var inner: AnyOptimizer.State
  }

  /// - Precondition: a group has the parameter's kind.
  private func group(of parameter: ParameterDescription) -> Int {
    let kind = ParameterKind(parameter)
    guard let index = groups.firstIndex(where: { $0.kinds.contains(kind) }) else {
      fatalError("GroupedOptimizer: no group for \(parameter.name), of the kind \(kind.rawValue)")
    }
    return index
  }

  public func makeState(for parameter: ParameterDescription) -> State {
    let group = group(of: parameter)
    return State(group: group, inner: groups[group].rule.makeState(for: parameter))
  }

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors, state: inout State
  ) {
    let group = groups[state.group]
    var factors = factors
    if let schedule = group.schedule { factors.learningRate *= schedule.factor(at: stepCount(of: state)) }
    group.rule.update(&parameter, gradient: gradient, factors: factors, state: &state.inner)
  }

  public func stepCount(of state: State) -> Int { groups[state.group].rule.stepCount(of: state.inner) }

  public func forEachBuffer(
    of state: State, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    try groups[state.group].rule.forEachBuffer(of: state.inner, body)
  }

  public func restoreState(
    for parameter: ParameterDescription, from snapshot: StateSnapshot
  ) throws(StateMismatch) -> State {
    let group = group(of: parameter)
    return State(group: group, inner: try groups[group].rule.restoreState(for: parameter, from: snapshot))
  }

  public func enqueueUpdate(of parameter: DeviceParameter, state: inout State, in updates: inout DeviceUpdates) {
    guard groups[state.group].schedule == nil else { return }
    groups[state.group].rule.enqueueUpdate(of: parameter, state: &state.inner, in: &updates)
  }

  public func finishUpdate(of parameter: DeviceParameter, factors: StepFactors, state: inout State) {
    guard groups[state.group].schedule == nil else {
      return updateOnHost(parameter, factors: factors, state: &state)
    }
    groups[state.group].rule.finishUpdate(of: parameter, factors: factors, state: &state.inner)
  }

  public func learningRate(for parameter: ParameterDescription) -> Float {
    groups[group(of: parameter)].rule.learningRate(for: parameter)
  }

  public func updateWork(of parameter: ParameterDescription) -> Int {
    groups[group(of: parameter)].rule.updateWork(of: parameter)
  }
}
