// Replays traces against the real Opossum under a virtual clock.
//
// A request is one line of JSON on standard input, `{"trace": PATH, "settings": {...}}`; the answer is one line for each
// call and a last one with the state and the counters, as `madang breaker simulate --json` prints them. Settings have
// Opossum's own names in snake case, and durations with a unit.

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import FakeTimers from '@sinonjs/fake-timers'
import CircuitBreaker from 'opossum'

const START = Date.UTC(2026, 0, 1)
const FAKED = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date']
const DURATIONS = ['timeout', 'reset_timeout', 'rolling_count_timeout']
// Longer than any trace: the time of a timer that only we run.
const FOREVER = 2 ** 31 - 1

const immediate = setImmediate
// All that promises have to do now is done.
const settled = () => new Promise(resolve => immediate(resolve))

const millis = text => Number(/^(\d+)ms$/.exec(text)[1])
const camel = name => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())

function optionsOf (settings) {
  const options = {}
  for (const [name, value] of Object.entries(settings)) {
    options[camel(name)] = DURATIONS.includes(name) && value !== false ? millis(value) : value
  }
  const filtered = settings.error_filter ?? []
  options.errorFilter = error => filtered.includes(error.code === 'ETIMEDOUT' ? 'timeout' : error.name)
  // The trace says who timed out, unless this breaker has a timeout of its own.
  options.timeout ??= false
  return options
}

const stateOf = breaker => (breaker.closed ? 'closed' : breaker.halfOpen ? 'half_open' : 'open')

// Fires once; `end` makes the call end as the trace says.
function fire (breaker, own) {
  const call = { admitted: false, timeOut: null }
  const set = globalThis.setTimeout
  breaker.options.timeout = own || FOREVER
  // The first timer of a call that was let in is its timeout. Kept, so that it can run when the trace has it.
  globalThis.setTimeout = (callback, after) => {
    if (after === breaker.options.timeout) call.timeOut ??= callback
    return set(callback, after)
  }
  breaker.fire(call).catch(() => {})
  globalThis.setTimeout = set
  call.end = outcome => {
    if (outcome === 'ok') call.resolve()
    else if (outcome !== 'timeout') call.reject(Object.assign(new Error(outcome), { name: outcome }))
    else if (breaker.enabled && !call.timedOut) call.timeOut()
  }
  return call
}

function action (call) {
  call.admitted = true
  return new Promise((resolve, reject) => Object.assign(call, { resolve, reject }))
}

async function replay (path, settings, answer) {
  const clock = FakeTimers.install({ now: START, toFake: FAKED })
  const options = optionsOf(settings)
  const own = options.timeout
  const breaker = new CircuitBreaker(action, options)
  breaker.on('timeout', (error, latency, [call]) => { call.timedOut = true })
  const calls = new Map()
  let now = 0
  for (const line of readFileSync(path, 'utf8').trim().split('\n')) {
    const { t, ev, id, outcome } = JSON.parse(line)
    clock.tick(t - now)
    now = t
    await settled()
    if (ev === 'end') {
      if (calls.has(id)) calls.get(id).end(outcome)
      await settled()
      continue
    }
    const call = fire(breaker, own)
    await settled()
    if (call.admitted) calls.set(id, call)
    answer({ t, id, admitted: call.admitted, state: stateOf(breaker) })
  }
  const numbers = Object.entries(breaker.stats).filter(([, value]) => typeof value === 'number')
  answer({ t: now, final: true, state: stateOf(breaker), counters: Object.fromEntries(numbers) })
  breaker.shutdown()
  clock.uninstall()
}

for await (const line of createInterface({ input: process.stdin })) {
  const { trace, settings } = JSON.parse(line)
  let answers = ''
  await replay(trace, settings, answer => { answers += JSON.stringify(answer) + '\n' })
  process.stdout.write(answers)
}
