import NanoOptim
import Testing

@Test func schedules() {
  let cosine = CosineSchedule(warmUpSteps: 10, totalSteps: 110, finalFactor: 0.1)
  #expect(cosine.factor(at: 0) == 0.1 && cosine.factor(at: 9) == 1)
  #expect(abs(cosine.factor(at: 60) - 0.55) < 1e-6 && abs(cosine.factor(at: 500) - 0.1) < 1e-6)
  let named: any LearningRateSchedule = .cosine(warmUpSteps: 10, totalSteps: 110)
  #expect((0..<120).map(named.factor) == (0..<120).map(cosine.factor))
  let stable = WarmUpStableDecaySchedule(warmUpSteps: 2, decaySteps: 10, totalSteps: 100)
  #expect(stable.factor(at: 0) == 0.5 && stable.factor(at: 50) == 1)
  #expect(stable.factor(at: 95) == 0.5 && stable.factor(at: 100) == 0)
  let linear: any LearningRateSchedule = .linear(warmUpSteps: 2, totalSteps: 10)
  #expect((0..<11).map(linear.factor) == [0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0])
  #expect(ConstantSchedule().factor(at: 0) == 1)
  let constant = ConstantSchedule(warmUpSteps: 4)
  #expect(constant.factor(at: 0) == 0.25 && constant.factor(at: 3) == 1 && constant.factor(at: 9) == 1)
}
