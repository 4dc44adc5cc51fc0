extension PageScript {
  /// A linear or logarithmic axis with ticks at round values.
  static let axis = #"""
    class Axis {
      constructor([low, high], pixels, count, isLogarithmic = false) {
        if (!(high > low)) [low, high] = isLogarithmic ? [low / 2, low * 2] : [low - 0.5, low + 0.5];
        Object.assign(this, {low, high, pixels, isLogarithmic});
        this.ticks = isLogarithmic ? this.logarithmicTicks(count) : this.roundTicks(count);
      }
      place(value) {
        const f = this.isLogarithmic ? Math.log : (x) => x;
        const share = (f(value) - f(this.low)) / (f(this.high) - f(this.low));
        return this.pixels[0] + share * (this.pixels[1] - this.pixels[0]);
      }
      roundTicks(count) {
        const span = this.high - this.low, magnitude = 10 ** Math.floor(Math.log10(span / count));
        const factor = [1, 2, 2.5, 5].find((x) => span / (x * magnitude) <= count) || 10;
        const step = factor * magnitude;
        this.digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (factor === 2.5 ? 1 : 0));
        const ticks = [];
        for (let i = Math.ceil(this.low / step - 1e-9); i * step <= this.high + 0.01 * step; i++)
          ticks.push(i * step || 0);
        return ticks;
      }
      logarithmicTicks(count) {
        const ticks = [];
        for (let e = Math.floor(Math.log10(this.low)); e <= Math.log10(this.high); e++)
          for (const tick of [1, 2, 5].map((x) => x * 10 ** e))
            if (tick >= this.low * 0.999 && tick <= this.high * 1.001) ticks.push(tick);
        return ticks.length > count ? ticks.filter((tick) => tick.toExponential().startsWith("1")) : ticks;
      }
      label(tick) {
        if (this.isLogarithmic) return String(+tick.toPrecision(3));
        return tick.toLocaleString("en-US", {minimumFractionDigits: this.digits, maximumFractionDigits: this.digits});
      }
    }
    """#
}
