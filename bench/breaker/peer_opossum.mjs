// opossum's part of the comparison: `npm install opossum@10.0.0`, then `node peer_opossum.mjs`.
import CircuitBreaker from 'opossum'

const CALLS = 100_000
const ROUNDS = 5
// No timer for each call, and no percentiles: its best settings.
const settings = { timeout: false, rollingPercentilesEnabled: false, errorThresholdPercentage: 100, resetTimeout: 3_600_000 }

async function measured(breaker, results) {
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.hrtime.bigint()
    for (let call = 0; call < CALLS; call++) {
      try {
        await breaker.fire(results[call % results.length])
      } catch {}
    }
    best = Math.min(best, Number(process.hrtime.bigint() - started) / CALLS)
  }
  return best
}

const make = () => new CircuitBreaker(async (good) => { if (!good) throw new Error('bad') }, settings)
const success = await measured(make(), [true])
const mixed = await measured(make(), [true, false])
const opened = make()
opened.open()
const cells = [success, 2 * mixed - success, await measured(opened, [true])]
console.log('opossum 10.0.0'.padEnd(42) + cells.map((cell) => cell.toFixed(0).padStart(11)).join(''))
process.exit(0)
