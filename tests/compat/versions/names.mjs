// Names below E2B_DOMAIN lead to loopback, as a wildcard record of the DNS would have it.
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'

const domain = (process.env.E2B_DOMAIN ?? '').split(':')[0]
const { lookup } = dns

dns.lookup = (name, ...others) =>
  lookup(domain && name.endsWith(`.${domain}`) ? '127.0.0.1' : name, ...others)
syncBuiltinESMExports()
