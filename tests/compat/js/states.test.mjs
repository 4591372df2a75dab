import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Sandbox } from '@e2b/code-interpreter'

import { until, withSandbox } from './sandboxes.mjs'

test('a pause keeps files and variables', () =>
  withSandbox(async (sandbox) => {
    await sandbox.runCode('x = 5')
    await sandbox.files.write('kept', 'kept')
    assert.equal(await sandbox.pause(), true)
    assert.equal(await sandbox.pause(), false)
    assert.equal((await sandbox.getInfo()).state, 'paused')
    assert.equal(await sandbox.isRunning(), false)
    const resumed = await Sandbox.connect(sandbox.sandboxId)
    assert.equal((await resumed.runCode('x')).text, '5')
    assert.equal(await resumed.files.read('kept'), 'kept')
  }))

test('a pause without memory keeps files only', () =>
  withSandbox(async (sandbox) => {
    await sandbox.runCode('x = 5')
    await sandbox.files.write('kept', 'kept')
    assert.equal(await Sandbox.pause(sandbox.sandboxId, { keepMemory: false }), true)
    await sandbox.connect()
    assert.equal(await sandbox.files.read('kept'), 'kept')
    assert.equal((await sandbox.runCode('x')).error.name, 'NameError')
  }))

test('paused sandboxes are listed by their state', () =>
  withSandbox(
    async (sandbox) => {
      await sandbox.pause()
      const listed = async (state) => {
        const query = { metadata: { run: 'paused js' }, state: [state] }
        return (await Sandbox.list({ query }).nextItems()).map(({ sandboxId }) => sandboxId)
      }
      assert.deepEqual(await listed('paused'), [sandbox.sandboxId])
      assert.deepEqual(await listed('running'), [])
    },
    { metadata: { run: 'paused js' } },
  ))

test('a sandbox may pause at its end and resume by itself', () =>
  withSandbox(
    async (sandbox) => {
      await sandbox.setTimeout(1000)
      await until(async () => (await sandbox.getInfo()).state === 'paused')
      assert.equal((await sandbox.commands.run('echo awake')).stdout, 'awake\n')
    },
    { lifecycle: { onTimeout: 'pause', autoResume: true } },
  ))

test('sandboxes start from a snapshot', () =>
  withSandbox(async (sandbox) => {
    await sandbox.files.write('kept', 'kept')
    const snapshot = await sandbox.createSnapshot()
    const listed = await sandbox.listSnapshots().nextItems()
    assert.deepEqual(listed.map(({ snapshotId }) => snapshotId), [snapshot.snapshotId])
    await sandbox.files.write('kept', 'changed')
    const started = await Sandbox.create(snapshot.snapshotId, { timeoutMs: 60_000 })
    assert.equal(await started.files.read('kept'), 'kept')
    await started.kill()
    assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId), true)
    assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId), false)
  }))

test('forks carry files and variables and go their own ways', () =>
  withSandbox(async (sandbox) => {
    await sandbox.runCode('x = 5')
    await sandbox.files.write('kept', 'kept')
    const forks = await sandbox.fork({ count: 2, timeoutMs: 60_000 })
    try {
      const answers = await Promise.all(forks.map((fork, n) => fork.runCode(`x += ${n}; x`)))
      assert.deepEqual(answers.map(({ text }) => text), ['5', '6'])
      assert.equal(await forks[1].files.read('kept'), 'kept')
      assert.equal((await sandbox.runCode('x')).text, '5')
    } finally {
      await Promise.all(forks.map((fork) => fork.kill()))
    }
  }))
