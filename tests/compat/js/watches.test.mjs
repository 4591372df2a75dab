import assert from 'node:assert/strict'
import { test } from 'node:test'

import { FilesystemEventType, FileNotFoundError, SandboxError } from 'e2b'

import { until, withSandbox } from './sandboxes.mjs'

test('creating and writing one file are three events', () =>
  withSandbox(async ({ files }) => {
    await files.makeDir('watched')
    const events = []
    const watch = await files.watchDir('watched', (event) => void events.push(event))
    await files.write('watched/file', 'x')
    await until(() => events.length >= 3)
    await watch.stop()
    assert.deepEqual(events.map(({ name, type }) => [name, type]), [
      ['file', FilesystemEventType.CREATE],
      ['file', FilesystemEventType.CHMOD],
      ['file', FilesystemEventType.WRITE],
    ])
  }))

test('a watch below sees folders made later and may carry entries', () =>
  withSandbox(async ({ files }) => {
    await files.makeDir('watched')
    const events = []
    const options = { recursive: true, includeEntry: true }
    const watch = await files.watchDir('watched', (event) => void events.push(event), options)
    await files.makeDir('watched/below')
    await until(() => events.some(({ name }) => name === 'below'))
    await files.write('watched/below/file', '12345')
    const written = ({ name, type }) => name === 'below/file' && type === FilesystemEventType.WRITE
    await until(() => events.some(written))
    await watch.stop()
    assert.equal(events.find(written).entry.path, '/home/user/watched/below/file')
  }))

test('renaming and removing are seen', () =>
  withSandbox(async ({ files }) => {
    await files.write('watched/a', '')
    const types = []
    const watch = await files.watchDir('watched', ({ type }) => void types.push(type))
    await files.rename('watched/a', 'watched/b')
    await files.remove('watched/b')
    await until(() => types.includes(FilesystemEventType.REMOVE))
    await watch.stop()
    assert.ok(types.includes(FilesystemEventType.RENAME))
  }))

test('a watch ends after its time', () =>
  withSandbox(async ({ files }) => {
    const ended = new Promise((onExit) => {
      files.watchDir('/tmp', () => {}, { timeoutMs: 300, onExit })
    })
    await ended
  }))

test('what cannot be watched is told by kind', () =>
  withSandbox(async ({ files }) => {
    await files.write('file', '')
    await assert.rejects(files.watchDir('missing', () => {}), FileNotFoundError)
    await assert.rejects(files.watchDir('file', () => {}), SandboxError)
  }))
