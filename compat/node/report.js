// One JSON line for each check: {client, check, ok, answer, detail, ms}. An answer holds nothing that
// may differ between two right brokers (no ids, ports or times), so that it can be compared.
'use strict'

class Report {
  constructor(client) {
    this.client = client
    this.failed = false
    this.filter = process.env.CHECK || ''
  }

  // Runs the checks, `width` at a time; each returns its answer.
  async run(checks, width, limitMs) {
    const waiting = Object.entries(checks).filter(([name]) => name.includes(this.filter))
    const worker = async () => {
      while (waiting.length > 0) {
        const [name, check] = waiting.shift()
        const start = Date.now()
        let timer
        try {
          const late = new Promise((_, reject) => {
            timer = setTimeout(() => reject(new Error(`no end after ${limitMs} ms`)), limitMs)
          })
          const answer = await Promise.race([check(), late])
          this.line(name, true, String(answer), null, start)
        } catch (error) {
          const frame = (error.stack || '').split('\n').find(line => line.includes('suite_')) || ''
          this.line(name, false, null, `${error.name}: ${error.message} ${frame.trim()}`, start)
        } finally {
          clearTimeout(timer)
        }
      }
    }
    await Promise.all(Array.from({ length: width }, worker))
  }

  line(check, ok, answer, detail, start) {
    if (!ok) this.failed = true
    process.stdout.write(JSON.stringify({ client: this.client, check, ok, answer, detail, ms: Date.now() - start }) + '\n')
  }
}

function requireThat(condition, what) {
  if (!condition) throw new Error(what)
}

function requireEqual(expected, actual, what) {
  const [a, b] = [JSON.stringify(expected), JSON.stringify(actual)]
  if (a !== b) throw new Error(`${what}: expected ${a}, got ${b}`)
}

module.exports = { Report, requireThat, requireEqual }
