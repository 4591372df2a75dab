import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Sandbox } from 'e2b'

import { ROOT, withSandbox } from './sandboxes.mjs'

const CLI = fileURLToPath(new URL('./node_modules/@e2b/cli/dist/index.js', import.meta.url))

/** Run E2B's CLI; answers with its exit status and output, and feeds it `input`. */
function e2b(args, input = '') {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [CLI, ...args], { timeout: 60_000 }, (failure, stdout, stderr) =>
      resolve({ status: failure ? failure.code : 0, stdout, stderr }),
    )
    child.stdin.end(input)
  })
}

test('list', () =>
  withSandbox(
    async ({ sandboxId }) => {
      const filter = ['--metadata', `by=${process.pid}`, '--format', 'json']
      const { status, stdout } = await e2b(['sandbox', 'list', ...filter])
      assert.equal(status, 0)
      assert.deepEqual(JSON.parse(stdout).map((sandbox) => sandbox.sandboxId), [sandboxId])
    },
    { metadata: { by: `${process.pid}` } },
  ))

test('info', () =>
  withSandbox(async ({ sandboxId }) => {
    const { status, stdout } = await e2b(['sandbox', 'info', '--format', 'json', sandboxId])
    assert.equal(status, 0)
    assert.equal(JSON.parse(stdout).sandboxId, sandboxId)
  }))

test('exec', () =>
  withSandbox(async ({ sandboxId }) => {
    const options = ['--cwd', '/tmp', '--user', 'root', '--env', 'A=b']
    const command = ['sh', '-c', 'echo "$A $PWD"; whoami; echo err >&2; exit 3']
    const { status, stdout, stderr } = await e2b(['sandbox', 'exec', ...options, sandboxId, ...command])
    assert.deepEqual([status, stdout], [3, `b /tmp\n${ROOT}\n`])
    assert.match(stderr, /err/)
  }))

test('exec with input', () =>
  withSandbox(async ({ sandboxId }) => {
    const { status, stdout } = await e2b(['sandbox', 'exec', sandboxId, 'wc', '-c'], 'twelve bytes')
    assert.deepEqual([status, stdout.trim()], [0, '12'])
  }))

test('exec in the background', () =>
  withSandbox(async ({ sandboxId, commands }) => {
    const { status } = await e2b(['sandbox', 'exec', '--background', sandboxId, 'sleep', '100'])
    assert.equal(status, 0)
    assert.equal((await commands.list()).length, 1)
  }))

test('metrics', () =>
  withSandbox(async ({ sandboxId }) => {
    const { status, stdout } = await e2b(['sandbox', 'metrics', '--format', 'json', sandboxId])
    assert.equal(status, 0)
    assert.match(stdout, /cpuUsedPct/)
  }))

test('logs', () =>
  withSandbox(async ({ sandboxId, commands }) => {
    await commands.run('echo told')
    const { status, stdout } = await e2b(['sandbox', 'logs', '--format', 'json', sandboxId])
    assert.equal(status, 0)
    const entries = stdout.trim().split('\n').map((line) => JSON.parse(line))
    assert.equal(entries[0].message, 'Sandbox created')
    const started = entries.find(({ event_type }) => event_type === 'process_start')
    assert.match(started.command, /echo told/)
    assert.ok(entries.some(({ event_type, exit_code }) => event_type === 'process_end' && exit_code === 0))
  }))

test('logs of one logger', () =>
  withSandbox(async ({ sandboxId, commands }) => {
    await commands.run('true')
    const { stdout } = await e2b(['sandbox', 'logs', '--loggers', 'process', '--format', 'json', sandboxId])
    const loggers = stdout.trim().split('\n').map((line) => JSON.parse(line).logger)
    assert.deepEqual([...new Set(loggers)], ['process'])
  }))

test('logs that are followed until the sandbox is closed', () =>
  withSandbox(async (sandbox) => {
    const following = e2b(['sandbox', 'logs', '--follow', sandbox.sandboxId])
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    await sandbox.commands.run('echo later')
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await sandbox.kill()
    const { status, stdout } = await following
    assert.equal(status, 0)
    assert.match(stdout, /echo later/)
    assert.match(stdout, /closed/)
  }))

test('kill', async () => {
  const { sandboxId } = await Sandbox.create({ timeoutMs: 60_000 })
  assert.equal((await e2b(['sandbox', 'kill', sandboxId])).status, 0)
  assert.equal(await Sandbox.kill(sandboxId), false)
})

test('kill of an unknown sandbox', async () => {
  const { stdout, stderr } = await e2b(['sandbox', 'kill', 'nosuchsandbox'])
  assert.match(stdout + stderr, /wasn't found|not found/i)
})

test('create detached', async () => {
  const { status, stdout } = await e2b(['sandbox', 'create', '--detach', 'base'])
  assert.equal(status, 0)
  const [sandbox] = await Sandbox.list().nextItems()
  assert.match(stdout, new RegExp(sandbox.sandboxId))
  await Sandbox.kill(sandbox.sandboxId)
})

test('pause and resume', () =>
  withSandbox(async ({ sandboxId }) => {
    assert.equal((await e2b(['sandbox', 'pause', sandboxId])).status, 0)
    assert.equal((await Sandbox.getInfo(sandboxId)).state, 'paused')
    assert.equal((await e2b(['sandbox', 'resume', sandboxId])).status, 0)
    assert.equal((await Sandbox.getInfo(sandboxId)).state, 'running')
  }))

test('template list', async () => {
  const { status, stdout, stderr } = await e2b(['template', 'list', '--format', 'json'])
  assert.equal(status, 0, stderr)
  assert.ok(JSON.parse(stdout).some(({ aliases }) => aliases.includes('base')))
})
