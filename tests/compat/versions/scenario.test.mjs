// What users do, told to whichever version of the SDK stands beside this; as scenario.py does.
import './names.mjs'

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import * as runner from 'node:test'

import { Sandbox } from '@e2b/code-interpreter'
import { CommandExitError, NotFoundError, Template, TimeoutError } from 'e2b'

const RUN = randomUUID()
const LEFT_OUT = (process.env.SCENARIO_LEAVES_OUT ?? '').split(',')
const test = (name, run) => runner.test(name, { skip: LEFT_OUT.includes(name) }, run)

async function withSandbox(use) {
  const sandbox = await Sandbox.create({
    timeoutMs: 120_000,
    metadata: { run: RUN },
    envs: { GLOBAL: 'g' },
  })
  try {
    return await use(sandbox)
  } finally {
    await sandbox.kill()
  }
}

const pause = (sandbox) => (sandbox.pause ? sandbox.pause() : sandbox.betaPause())

test('create', () =>
  withSandbox(async (sandbox) => {
    const { sandboxId, metadata } = await sandbox.getInfo()
    assert.deepEqual([sandboxId, metadata], [sandbox.sandboxId, { run: RUN }])
    assert.equal(await sandbox.isRunning(), true)
  }))

test('run_code', () =>
  withSandbox(async (sandbox) => {
    const execution = await sandbox.runCode('import os\nprint("out")\nos.environ["GLOBAL"] + str(42)')
    assert.deepEqual([execution.text, execution.logs.stdout], ['g42', ['out\n']])
    assert.equal((await sandbox.runCode('1 / 0')).error.name, 'ZeroDivisionError')
    const table = await sandbox.runCode('import pandas as pd; pd.DataFrame({"a": [1, 2]})')
    assert.deepEqual(table.results[0].data, { a: [1, 2] })
    const shell = await sandbox.runCode('echo shell', { language: 'bash' })
    assert.equal(shell.logs.stdout.join(''), 'shell\n')
  }))

test('chart', () =>
  withSandbox(async (sandbox) => {
    const code = 'import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4], label="l")\nplt.show()'
    const [figure] = (await sandbox.runCode(code)).results
    assert.ok(figure.png)
    assert.equal(figure.chart.type, 'line')
    assert.deepEqual(figure.chart.elements[0].points, [[1, 3], [2, 4]])
  }))

test('contexts', () =>
  withSandbox(async (sandbox) => {
    const context = await sandbox.createCodeContext({ cwd: '/tmp' })
    await sandbox.runCode('x = 1')
    await sandbox.runCode('x = 2', { context })
    assert.equal((await sandbox.runCode('x')).text, '1')
    assert.equal((await sandbox.runCode('x', { context })).text, '2')
  }))

test('contexts_listed_restarted_and_removed', () =>
  withSandbox(async (sandbox) => {
    const context = await sandbox.createCodeContext({ language: 'python' })
    const ids = async () => (await sandbox.listCodeContexts()).map(({ id }) => id)
    assert.ok((await ids()).includes(context.id))
    await sandbox.runCode('x = 1', { context })
    await sandbox.restartCodeContext(context)
    assert.equal((await sandbox.runCode('x', { context })).error.name, 'NameError')
    await sandbox.removeCodeContext(context)
    assert.ok(!(await ids()).includes(context.id))
  }))

test('code_over_its_time', () =>
  withSandbox(async (sandbox) => {
    await sandbox.runCode('y = 5')
    const late = sandbox.runCode('import time; time.sleep(100)', { timeoutMs: 500 })
    await assert.rejects(late, TimeoutError)
    assert.equal((await sandbox.runCode('y', { timeoutMs: 20_000 })).text, '5')
  }))

test('commands', () =>
  withSandbox(async ({ commands }) => {
    const result = await commands.run('echo out; echo err >&2; pwd', { cwd: '/tmp' })
    assert.deepEqual([result.stdout, result.stderr, result.exitCode], ['out\n/tmp\n', 'err\n', 0])
    await assert.rejects(commands.run('exit 3'), CommandExitError)
    await assert.rejects(commands.run('sleep 100', { timeoutMs: 500 }), TimeoutError)
    assert.equal((await commands.run('echo $HOME', { user: 'root' })).stdout, '/root\n')
  }))

test('commands_in_the_background', () =>
  withSandbox(async ({ commands }) => {
    const handle = await commands.run('head -n 1', { background: true, stdin: true })
    assert.ok((await commands.list()).some(({ pid }) => pid === handle.pid))
    await commands.sendStdin(handle.pid, 'fed\n')
    assert.equal((await handle.wait()).stdout, 'fed\n')
    const sleeper = await commands.run('sleep 100', { background: true })
    assert.equal(await commands.kill(sleeper.pid), true)
    assert.equal(await commands.kill(sleeper.pid), false)
    await assert.rejects(sleeper.wait(), CommandExitError)
  }))

test('terminals', () =>
  withSandbox(async ({ pty }) => {
    const heard = []
    const terminal = await pty.create({ rows: 24, cols: 80, onData: (data) => void heard.push(data) })
    await pty.resize(terminal.pid, { rows: 30, cols: 100 })
    await pty.sendInput(terminal.pid, new TextEncoder().encode('stty size; exit\n'))
    await terminal.wait()
    assert.match(Buffer.concat(heard).toString(), /30 100/)
  }))

test('files', () =>
  withSandbox(async ({ files }) => {
    assert.equal((await files.write('made/text.txt', 'ñandú')).path, '/home/user/made/text.txt')
    assert.equal(await files.read('made/text.txt'), 'ñandú')
    const raw = Uint8Array.from({ length: 1 << 20 }, (_, n) => n % 256)
    await files.write('/tmp/raw', raw.buffer)
    assert.ok(Buffer.from(raw).equals(await files.read('/tmp/raw', { format: 'bytes' })))
    assert.deepEqual((await files.list('made')).map(({ name }) => name), ['text.txt'])
    assert.equal((await files.getInfo('made/text.txt')).size, 7)
    await files.rename('made', 'moved')
    assert.deepEqual([await files.exists('moved'), await files.exists('made')], [true, false])
    await files.remove('moved')
    await assert.rejects(files.read('moved/text.txt'), NotFoundError)
  }))

test('watches', () =>
  withSandbox(async ({ files }) => {
    await files.makeDir('watched')
    const types = []
    let hearThree
    const three = new Promise((resolve) => (hearThree = resolve))
    await files.watchDir('watched', ({ type }) => void (types.push(type) === 3 && hearThree()))
    await files.write('watched/file', 'x')
    await three
    assert.deepEqual(types, ['create', 'chmod', 'write'])
  }))

test('timeouts', () =>
  withSandbox(async (sandbox) => {
    const before = (await sandbox.getInfo()).endAt
    await sandbox.setTimeout(500_000)
    assert.ok((await sandbox.getInfo()).endAt > before)
  }))

test('listing', () =>
  withSandbox(async (sandbox) => {
    const found = await Sandbox.list({ query: { metadata: { run: RUN } } }).nextItems()
    assert.deepEqual(found.map(({ sandboxId }) => sandboxId), [sandbox.sandboxId])
  }))

test('measures', () =>
  withSandbox(async (sandbox) => assert.ok(Array.isArray(await sandbox.getMetrics()))))

test('connecting', () =>
  withSandbox(async (sandbox) => {
    await sandbox.files.write('kept', 'kept')
    const other = await Sandbox.connect(sandbox.sandboxId)
    assert.equal(await other.files.read('kept'), 'kept')
  }))

test('pausing_and_resuming', () =>
  withSandbox(async (sandbox) => {
    await sandbox.files.write('/tmp/still', 'here')
    await pause(sandbox)
    assert.equal((await sandbox.getInfo()).state, 'paused')
    await sandbox.connect()
    assert.equal(await sandbox.files.read('/tmp/still'), 'here')
  }))

test('pausing_keeps_variables', () =>
  withSandbox(async (sandbox) => {
    await sandbox.runCode('kept = 7')
    await pause(sandbox)
    await sandbox.connect()
    assert.equal((await sandbox.runCode('kept')).text, '7')
  }))

test('templates', async () => {
  const alias = `v-${RUN.slice(0, 13)}`
  await Template.build(Template().fromBaseImage().runCmd('echo built > ~/built'), { alias })
  const sandbox = await Sandbox.create(alias, { timeoutMs: 60_000 })
  assert.equal(await sandbox.files.read('built'), 'built\n')
  await sandbox.kill()
})

test('killing', () =>
  withSandbox(async (sandbox) => {
    assert.equal(await Sandbox.kill(sandbox.sandboxId), true)
    assert.equal(await sandbox.isRunning(), false)
    assert.equal(await Sandbox.kill(sandbox.sandboxId), false)
    await assert.rejects(sandbox.files.read('x'), /was not found/)
  }))
