import NanoOptim
import Testing

@Test func clippingLimitsTheNorm() {
  var norm = GlobalNorm()
  norm.add([Float(3)].span)
  norm.add([Float(4)].span)
  #expect(norm.value == 5)
  #expect(norm.factor(clippingTo: 1) == 0.2)
  #expect(norm.factor(clippingTo: 10) == 1)
}
