import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Secret } from 'e2b'

import { withSandbox } from './sandboxes.mjs'

const rules = (headers) => ({ 'api.test': [{ transform: { headers } }] })
const fresh = () => `js-rule-${crypto.randomUUID().slice(0, 8)}`

test('rules are told as they were given and secrets by their names', async () => {
  const name = fresh()
  await Secret.create(name, 'sk-never-told')
  try {
    const network = { rules: rules({ Authorization: `Bearer ${Secret.fill(name)}` }) }
    await withSandbox(
      async (sandbox) => {
        const info = await sandbox.getInfo()
        assert.deepEqual(info.network.rules, network.rules)
        assert.ok(!JSON.stringify(info).includes('sk-never-told'))
        const shown = await sandbox.commands.run('env; cat /run/capibara6/authority.pem')
        assert.match(shown.stdout, /NODE_EXTRA_CA_CERTS=\/run\/capibara6\/authority.pem/)
        assert.match(shown.stdout, /BEGIN CERTIFICATE/)
        assert.ok(!shown.stdout.includes('sk-never-told'))
      },
      { network },
    )
  } finally {
    await Secret.destroy(name)
  }
})

test('rules are set and cleared while a sandbox runs', () =>
  withSandbox(async (sandbox) => {
    await sandbox.updateNetwork({
      rules: rules({ 'X-Token': 't' }),
      allowOut: ({ rules }) => [...rules.keys()],
      denyOut: ({ allTraffic }) => [allTraffic],
    })
    const { network } = await sandbox.getInfo()
    assert.deepEqual([network.allowOut, network.denyOut], [['api.test'], ['0.0.0.0/0']])
    assert.deepEqual(network.rules, rules({ 'X-Token': 't' }))
    await sandbox.updateNetwork({})
    assert.equal((await sandbox.getInfo()).network.rules, undefined)
  }))

test('rules that cannot be are refused', () =>
  withSandbox(async (sandbox) => {
    const refused = (network, message) => assert.rejects(sandbox.updateNetwork(network), message)
    await refused({ rules: { 'a b': [] } }, /not a valid domain name/)
    await refused({ rules: rules({ 'Content-Length': '1' }) }, /belongs to the connection/)
    await refused({ rules: rules({ X: '${e2b.secrets.}' }) }, /malformed E2B placeholder/)
    await refused({ egressProxy: { address: '10.0.0.1:1080' } }, /internal \/ denied IP range/)
  }))

test('a host is masked and its port stands anywhere', () =>
  withSandbox(
    async (sandbox) => {
      const { network } = await sandbox.getInfo()
      assert.equal(network.maskRequestHost, '${PORT}-shop.example.com')
    },
    { network: { maskRequestHost: '${PORT}-shop.example.com' } },
  ))
