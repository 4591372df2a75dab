import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CommandExitError, InvalidArgumentError, NotFoundError, TimeoutError } from 'e2b'

import { AT_GATE, until, withSandbox } from './sandboxes.mjs'

test('a command says how it ended', () =>
  withSandbox(async ({ commands }) => {
    const result = await commands.run('echo out; echo err >&2')
    assert.deepEqual([result.stdout, result.stderr, result.exitCode], ['out\n', 'err\n', 0])
    await assert.rejects(commands.run('echo before; exit 3'), (failure) => {
      assert.ok(failure instanceof CommandExitError)
      assert.deepEqual([failure.exitCode, failure.stdout], [3, 'before\n'])
      return true
    })
  }))

test('a command runs where and as told', () =>
  withSandbox(async ({ commands }) => {
    assert.equal((await commands.run('pwd; whoami')).stdout, '/home/user\nuser\n')
    assert.equal((await commands.run('pwd', { cwd: '/tmp' })).stdout, '/tmp\n')
    assert.equal((await commands.run('echo $HOME', { user: 'root' })).stdout, '/root\n')
    assert.equal((await commands.run('echo $A', { envs: { A: 'b' } })).stdout, 'b\n')
  }))

test('unknown users and folders are refused by name', () =>
  withSandbox(async ({ commands }) => {
    await assert.rejects(commands.run('true', { user: 'nobody0' }), /invalid username: 'nobody0'/)
    await assert.rejects(commands.run('true', { cwd: '/nowhere' }), InvalidArgumentError)
  }))

test('output comes as it happens', () =>
  withSandbox(async ({ commands, files }) => {
    const heard = []
    await commands.run(`echo first; ${AT_GATE}; echo second >&2`, {
      timeoutMs: 20_000,
      onStdout: async (text) => {
        heard.push(text)
        await files.write('/tmp/gate', '')
      },
      onStderr: (text) => heard.push(text),
    })
    assert.deepEqual(heard, ['first\n', 'second\n'])
  }))

test('a background command is fed listed and killed', () =>
  withSandbox(async ({ commands }) => {
    const heard = []
    const onStdout = (text) => heard.push(text)
    const handle = await commands.run('cat', { background: true, stdin: true, onStdout })
    const running = async () => (await commands.list()).map(({ pid }) => pid)
    assert.ok((await running()).includes(handle.pid))
    await commands.sendStdin(handle.pid, 'fed\n')
    await until(() => heard.join('') === 'fed\n')
    assert.equal(await commands.kill(handle.pid), true)
    await assert.rejects(handle.wait(), CommandExitError)
    assert.ok(!(await running()).includes(handle.pid))
    assert.equal(await commands.kill(handle.pid), false)
  }))

test('the end of its input ends a command', () =>
  withSandbox(async ({ commands }) => {
    const handle = await commands.run('wc -c', { background: true, stdin: true })
    await handle.sendStdin(new Uint8Array(100_000))
    await handle.closeStdin()
    const { stdout, exitCode } = await handle.wait()
    assert.deepEqual([stdout.trim(), exitCode], ['100000', 0])
  }))

test('a command without input reads nothing', () =>
  withSandbox(async ({ commands }) => {
    assert.equal((await commands.run('cat; echo end')).stdout, 'end\n')
  }))

test('another client follows a command', () =>
  withSandbox(async ({ commands, files }) => {
    const first = await commands.run(`${AT_GATE}; echo done`, { background: true })
    await first.disconnect()
    const second = await commands.connect(first.pid)
    await files.write('/tmp/gate', '')
    assert.equal((await second.wait()).stdout, 'done\n')
  }))

test('a command that ended is still told to who comes late', () =>
  withSandbox(async ({ commands }) => {
    const first = await commands.run('echo gone; exit 4', { background: true })
    await assert.rejects(first.wait(), CommandExitError)
    const late = await commands.connect(first.pid)
    await assert.rejects(late.wait(), ({ exitCode, stdout }) => exitCode === 4 && stdout === 'gone\n')
  }))

test('a command over its time is ended', () =>
  withSandbox(async ({ commands }) => {
    await assert.rejects(commands.run('sleep 100', { timeoutMs: 500 }), TimeoutError)
    await until(async () => (await commands.list()).length === 0)
  }))

test('an abandoned request is aborted', () =>
  withSandbox(async ({ commands }) => {
    const abandon = new AbortController()
    const listing = commands.run('sleep 100', { signal: abandon.signal })
    setTimeout(() => abandon.abort(), 100)
    await assert.rejects(listing)
  }))

test('unknown processes are not found', () =>
  withSandbox(async ({ commands }) => {
    await assert.rejects(commands.connect(99_999), NotFoundError)
    await assert.rejects(commands.sendStdin(99_999, 'x'), NotFoundError)
    assert.equal(await commands.kill(99_999), false)
  }))

test('large output arrives whole', () =>
  withSandbox(async ({ commands }) => {
    const { stdout } = await commands.run('head -c 20000000 /dev/zero | tr "\\0" x')
    assert.equal(stdout.length, 20_000_000)
  }))

test('the input of a command is closed by its number', () =>
  withSandbox(async ({ commands }) => {
    const handle = await commands.run('cat; echo end', { background: true, stdin: true })
    await commands.closeStdin(handle.pid)
    assert.equal((await handle.wait()).stdout, 'end\n')
    const sleeper = await commands.run('sleep 100', { background: true })
    assert.equal(await sleeper.kill(), true)
    await assert.rejects(sleeper.wait(), CommandExitError)
  }))
