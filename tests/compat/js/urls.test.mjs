import assert from 'node:assert/strict'
import { test } from 'node:test'

import { withSandbox } from './sandboxes.mjs'

test('a file is downloaded by its signed address', () =>
  withSandbox(async (sandbox) => {
    await sandbox.files.write('kept.txt', 'kept')
    const reply = await fetch(await sandbox.downloadUrl('kept.txt'))
    assert.deepEqual([reply.status, await reply.text()], [200, 'kept'])
    const other = (await sandbox.downloadUrl('kept.txt')).replace('kept.txt', 'other.txt')
    assert.equal((await fetch(other)).status, 401)
  }))

test('a file is uploaded by its signed address', () =>
  withSandbox(async (sandbox) => {
    const body = new FormData()
    body.append('file', new Blob(['sent']), 'ignored')
    const reply = await fetch(await sandbox.uploadUrl('sent.txt', { user: 'user' }), { method: 'POST', body })
    assert.equal(reply.status, 200)
    assert.equal(await sandbox.files.read('sent.txt'), 'sent')
  }))

test('a signed address expires', () =>
  withSandbox(async (sandbox) => {
    await sandbox.files.write('kept.txt', 'kept')
    const good = await sandbox.downloadUrl('kept.txt', { useSignatureExpiration: 100 })
    assert.equal((await fetch(good)).status, 200)
    const late = await sandbox.downloadUrl('kept.txt', { useSignatureExpiration: -10 })
    assert.equal((await fetch(late)).status, 401)
  }))

test('a part of a file is downloaded', () =>
  withSandbox(async (sandbox) => {
    await sandbox.files.write('digits', '0123456789')
    const headers = { Range: 'bytes=2-4' }
    const reply = await fetch(await sandbox.downloadUrl('digits'), { headers })
    assert.deepEqual([reply.status, await reply.text()], [206, '234'])
  }))
