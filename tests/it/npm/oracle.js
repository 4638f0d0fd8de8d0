// Reads the cases of test_91_cache_rules.py as JSON, answers with what http-cache-semantics says of each.
const CachePolicy = require('http-cache-semantics')
const NOW = 1794787200000

class Policy extends CachePolicy {
  now () { return Policy.clock }
}

const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'))
console.log(JSON.stringify(cases.map(c => {
  Policy.clock = NOW
  const p = new Policy({ method: c.method, url: '/', headers: c.request }, { status: c.status, headers: c.response })
  const stored = p.storable()
  if (!stored) return [0]
  const lifetime = p.maxAge()
  Policy.clock = NOW + c.resident * 1000
  const found = p.evaluateRequest({ method: 'GET', url: '/', headers: c.again })
  return [1, lifetime, !found.revalidation ? (p.stale() ? 'stale' : 'fresh') : found.revalidation.synchronous ? 'validate' : 'refresh']
})))
