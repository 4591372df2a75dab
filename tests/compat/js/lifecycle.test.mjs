import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Sandbox } from '@e2b/code-interpreter'
import * as e2b from 'e2b'

import { until, withSandbox } from './sandboxes.mjs'

test('a sandbox is described', () =>
  withSandbox(
    async (sandbox) => {
      const info = await sandbox.getInfo()
      assert.equal(info.sandboxId, sandbox.sandboxId)
      assert.deepEqual([info.state, info.metadata], ['running', { by: 'js test' }])
      assert.ok(info.endAt > info.startedAt)
      assert.deepEqual((await Sandbox.getInfo(sandbox.sandboxId)).templateId, info.templateId)
      assert.equal(await sandbox.isRunning(), true)
    },
    { metadata: { by: 'js test' } },
  ))

test('the plain SDK starts the base template', async () => {
  const sandbox = await e2b.Sandbox.create('base', { timeoutMs: 30_000, envs: { A: 'b' } })
  assert.equal((await sandbox.getInfo()).name, 'base')
  assert.equal((await sandbox.commands.run('echo $A')).stdout, 'b\n')
  await sandbox.kill()
})

test('sandboxes are listed page by page and by metadata', () =>
  withSandbox(async (first) => {
    const metadata = { 'a b': 'c&d=é', run: first.sandboxId }
    await withSandbox((second) =>
      withSandbox(
        async (third) => {
          const query = { metadata, state: ['running'] }
          const pages = Sandbox.list({ query, limit: 1 })
          const newest = await pages.nextItems()
          assert.deepEqual(newest.map(({ sandboxId }) => sandboxId), [third.sandboxId])
          assert.ok(pages.hasNext)
          const rest = await pages.nextItems()
          assert.deepEqual(rest.map(({ sandboxId }) => sandboxId), [second.sandboxId])
          assert.equal(pages.hasNext, false)
        },
        { metadata },
      ), { metadata })
  }))

test('another client connects and lengthens the life', () =>
  withSandbox(async (sandbox) => {
    await sandbox.runCode('x = 5')
    const before = (await sandbox.getInfo()).endAt
    const other = await Sandbox.connect(sandbox.sandboxId, { timeoutMs: 300_000 })
    assert.equal((await other.runCode('x')).text, '5')
    assert.ok((await sandbox.getInfo()).endAt > before)
    await sandbox.connect({ timeoutMs: 1000 })
    assert.ok((await sandbox.getInfo()).endAt > before)
  }))

test('a sandbox ends after its time', async () => {
  const sandbox = await Sandbox.create({ timeoutMs: 60_000 })
  await sandbox.setTimeout(1000)
  await until(async () => !(await sandbox.isRunning()))
  await assert.rejects(sandbox.getInfo(), /not found/i)
})

test('a killed sandbox is gone', async () => {
  const sandbox = await Sandbox.create({ timeoutMs: 60_000 })
  assert.equal(await sandbox.kill(), true)
  assert.equal(await Sandbox.kill(sandbox.sandboxId), false)
  assert.equal(await sandbox.isRunning(), false)
  await assert.rejects(sandbox.commands.run('true'), /sandbox (was not found|is probably not running)/i)
  await assert.rejects(sandbox.files.read('/etc/hostname'), e2b.SandboxError)
  await assert.rejects(Sandbox.connect(sandbox.sandboxId), e2b.NotFoundError)
})

test('a command is told that its sandbox ended', async () => {
  const sandbox = await Sandbox.create({ timeoutMs: 60_000 })
  const command = await sandbox.commands.run('sleep 100', { background: true })
  await sandbox.kill()
  await assert.rejects(command.wait(), /not found|killed|terminated/i)
})

test('what a sandbox uses is measured', () =>
  withSandbox(async (sandbox) => {
    const [sample] = await sandbox.getMetrics()
    assert.ok(sample.memUsed > 0 && sample.memTotal > sample.memUsed && sample.cpuCount >= 1)
    const end = new Date(Date.now() - 60_000)
    assert.deepEqual(await Sandbox.getMetrics(sandbox.sandboxId, { end }), [])
  }))

test('a wrong key is refused', async () => {
  const apiKey = `e2b_${'f'.repeat(40)}`
  await assert.rejects(Sandbox.create({ apiKey }), e2b.AuthenticationError)
  await assert.rejects(Sandbox.list({ apiKey }).nextItems(), e2b.AuthenticationError)
})

test('a template without an MCP gateway is told and its sandbox ended', async () => {
  const metadata = { run: crypto.randomUUID() }
  const creating = e2b.Sandbox.create('base', { metadata, mcp: { time: {} } })
  await assert.rejects(creating, /Failed to start MCP gateway/)
  assert.deepEqual(await Sandbox.list({ query: { metadata } }).nextItems(), [])
})

test('an unknown template is named', async () => {
  await assert.rejects(Sandbox.create('nosuch'), /nosuch/)
})

test('a host name is given for a port', () =>
  withSandbox(async (sandbox) => {
    assert.match(sandbox.getHost(3000), new RegExp(`^3000-${sandbox.sandboxId}\\.`))
  }))

test('a sandbox is described in full and paused by its older name', () =>
  withSandbox(async (sandbox) => {
    const full = await Sandbox.getFullInfo(sandbox.sandboxId)
    assert.equal(full.sandboxId, sandbox.sandboxId)
    assert.equal(await sandbox.betaPause(), true)
    await sandbox.connect()
    assert.equal(await sandbox.isRunning(), true)
  }))

test('network rules are changed', () =>
  withSandbox(async (sandbox) => {
    await sandbox.updateNetwork({ denyOut: ['0.0.0.0/0'] })
    assert.deepEqual((await sandbox.getInfo()).network.denyOut, ['0.0.0.0/0'])
  }))

test('the address and token of a gateway are found', () =>
  withSandbox(async (sandbox) => {
    await sandbox.files.write('/etc/mcp-gateway/.token', 'token', { user: 'root' })
    assert.equal(await sandbox.getMcpToken(), 'token')
    assert.match(sandbox.getMcpUrl(), /^https:\/\/50005-/)
  }))
