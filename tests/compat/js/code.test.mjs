import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Sandbox, TimeoutError } from '@e2b/code-interpreter'

import { withSandbox } from './sandboxes.mjs'

test('a value comes back with its count', () =>
  withSandbox(async (sandbox) => {
    await sandbox.runCode('x = 20')
    const execution = await sandbox.runCode('x * 2 + 2')
    assert.equal(execution.text, '42')
    assert.equal(execution.executionCount, 2)
    assert.equal(execution.error, undefined)
  }))

test('every callback is called', () =>
  withSandbox(async (sandbox) => {
    const heard = { stdout: [], stderr: [], results: [], errors: [] }
    const code = 'import sys\nprint("out"); print("err", file=sys.stderr)\ndisplay(7)\n1 / 0'
    const execution = await sandbox.runCode(code, {
      onStdout: (message) => heard.stdout.push(message.line),
      onStderr: (message) => heard.stderr.push(message.line),
      onResult: (result) => heard.results.push(result.text),
      onError: (error) => heard.errors.push(error.name),
    })
    const expected = { stdout: ['out\n'], stderr: ['err\n'], results: ['7'] }
    assert.deepEqual(heard, { ...expected, errors: ['ZeroDivisionError'] })
    assert.deepEqual(execution.logs, { stdout: ['out\n'], stderr: ['err\n'] })
    assert.match(execution.error.traceback, /1 \/ 0/)
  }))

test('output comes as it happens', () =>
  withSandbox(async (sandbox) => {
    const code =
      'import os, time\nprint("first", flush=True)\n' +
      'while not os.path.exists("/tmp/gate"):\n    time.sleep(0.01)\nprint("second")'
    const lines = []
    await sandbox.runCode(code, {
      timeoutMs: 20_000,
      onStdout: async ({ line }) => {
        lines.push(line)
        if (line.includes('first')) await sandbox.files.write('/tmp/gate', '')
      },
    })
    assert.equal(lines.join(''), 'first\nsecond\n')
  }))

test('figures and tables come in every form', () =>
  withSandbox(async (sandbox) => {
    const code = 'import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4], label="line")\nplt.show()'
    const [figure] = (await sandbox.runCode(code)).results
    assert.ok(Buffer.from(figure.png, 'base64').subarray(1, 4).equals(Buffer.from('PNG')))
    assert.equal(figure.chart.type, 'line')
    assert.ok(figure.formats().includes('png'))
    const table = (await sandbox.runCode('import pandas as pd\npd.DataFrame({"a": [1, 2]})')).results[0]
    assert.deepEqual(table.data, { a: [1, 2] })
    assert.match(table.html, /<table/)
    assert.ok(table.isMainResult)
  }))

const answers = (language, code) =>
  withSandbox(async (sandbox) => {
    const execution = await sandbox.runCode(code, { language })
    assert.equal(execution.error, undefined)
    assert.equal(execution.logs.stdout.join('').trim(), '42')
  })

test('language python', () => answers('python', 'print(6 * 7)'))
test('language javascript', () => answers('javascript', 'console.log(6 * 7)'))
test('language typescript', () => answers('ts', 'const n: number = 6 * 7; console.log(n)'))
test('language bash', () => answers('bash', 'echo $((6 * 7))'))

test('text of every alphabet arrives whole', () =>
  withSandbox(async (sandbox) => {
    const text = 'ñandú – 日本語 – 🦫'.repeat(2000)
    const execution = await sandbox.runCode(`print(${JSON.stringify(text)})`)
    assert.equal(execution.logs.stdout.join(''), `${text}\n`)
  }))

test('contexts are apart from each other', () =>
  withSandbox(async (sandbox) => {
    const context = await sandbox.createCodeContext({ cwd: '/tmp', language: 'python' })
    assert.deepEqual([context.language, context.cwd], ['python', '/tmp'])
    await sandbox.runCode('x = 1')
    await sandbox.runCode('x = 2', { context })
    assert.equal((await sandbox.runCode('x')).text, '1')
    assert.equal((await sandbox.runCode('x', { context })).text, '2')
    assert.equal((await sandbox.runCode('import os; os.getcwd()', { context })).text, '/tmp')
  }))

test('contexts are listed restarted and removed', () =>
  withSandbox(async (sandbox) => {
    const context = await sandbox.createCodeContext()
    const ids = async () => (await sandbox.listCodeContexts()).map(({ id }) => id)
    assert.ok((await ids()).includes(context.id))
    await sandbox.runCode('x = 1', { context })
    await sandbox.restartCodeContext(context.id)
    assert.equal((await sandbox.runCode('x', { context })).error.name, 'NameError')
    await sandbox.removeCodeContext(context)
    assert.ok(!(await ids()).includes(context.id))
    await assert.rejects(sandbox.runCode('1', { context }), /not found/)
  }))

test('variables of a call are undone', () =>
  withSandbox(
    async (sandbox) => {
      const read = 'import os; [os.environ.get(name) for name in ("GLOBAL", "LOCAL")]'
      assert.equal((await sandbox.runCode(read)).text, "['g', None]")
      const envs = { GLOBAL: 'h', LOCAL: 'l' }
      assert.equal((await sandbox.runCode(read, { envs })).text, "['h', 'l']")
      assert.equal((await sandbox.runCode(read)).text, "['g', None]")
    },
    { envs: { GLOBAL: 'g' } },
  ))

test('code over its time is interrupted and the kernel lives on', () =>
  withSandbox(async (sandbox) => {
    await sandbox.runCode('x = 5')
    const late = sandbox.runCode('import time\ntime.sleep(100)', { timeoutMs: 500 })
    await assert.rejects(late, TimeoutError)
    assert.equal((await sandbox.runCode('x', { timeoutMs: 20_000 })).text, '5')
  }))

test('several contexts answer at once', () =>
  withSandbox(async (sandbox) => {
    const contexts = await Promise.all([1, 2, 3].map(() => sandbox.createCodeContext()))
    const runs = contexts.map((context, n) => sandbox.runCode(`${n} * 10`, { context }))
    assert.deepEqual((await Promise.all(runs)).map(({ text }) => text), ['0', '10', '20'])
  }))

test('code of an ended sandbox is refused', async () => {
  const sandbox = await Sandbox.create({ timeoutMs: 60_000 })
  await sandbox.kill()
  await assert.rejects(sandbox.runCode('1'), TimeoutError)
})
