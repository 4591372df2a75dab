import assert from 'node:assert/strict'
import { test } from 'node:test'

import { FileNotFoundError, InvalidArgumentError, SandboxError } from 'e2b'

import { ROOT, withSandbox } from './sandboxes.mjs'

const BYTES = new Uint8Array(1 << 20).map((_, n) => n % 251)

async function collect(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('text goes in and out', () =>
  withSandbox(async ({ files }) => {
    const info = await files.write('made/on/the/way.txt', 'ñandú\n')
    assert.equal(info.path, '/home/user/made/on/the/way.txt')
    assert.equal(await files.read('made/on/the/way.txt'), 'ñandú\n')
    assert.equal(await files.read('made/on/the/way.txt', { gzip: true }), 'ñandú\n')
    await files.write('as-root', 'r', { user: 'root' })
    assert.equal((await files.getInfo('/root/as-root')).owner, ROOT)
  }))

const comesBack = (data) =>
  withSandbox(async ({ files }) => {
    await files.write('/tmp/bytes', data)
    assert.deepEqual(await files.read('/tmp/bytes', { format: 'bytes' }), BYTES)
    const blob = await files.read('/tmp/bytes', { format: 'blob' })
    assert.deepEqual(new Uint8Array(await blob.arrayBuffer()), BYTES)
    const stream = await files.read('/tmp/bytes', { format: 'stream' })
    assert.ok((await collect(stream)).equals(Buffer.from(BYTES)))
  })

test('an array buffer comes back in every form', () => comesBack(BYTES.buffer))
test('a blob comes back in every form', () => comesBack(new Blob([BYTES])))
test('a stream comes back in every form', () => comesBack(new Blob([BYTES]).stream()))

const carriesMetadata = (options) =>
  withSandbox(async ({ files }) => {
    const metadata = { by: 'js' }
    const info = await files.write('/tmp/a', 'x'.repeat(100_000), { ...options, metadata })
    assert.deepEqual(info.metadata, metadata)
    assert.deepEqual((await files.getInfo('/tmp/a')).metadata, metadata)
    assert.equal((await files.read('/tmp/a')).length, 100_000)
    await files.write('/tmp/a', 'again', options)
    assert.deepEqual((await files.getInfo('/tmp/a')).metadata ?? {}, {})
  })

test('metadata by multipart', () => carriesMetadata({ useOctetStream: false }))
test('metadata by octet stream', () => carriesMetadata({ useOctetStream: true }))
test('metadata by gzip', () => carriesMetadata({ useOctetStream: true, gzip: true }))

test('many files are written at once', () =>
  withSandbox(async ({ files }) => {
    const entries = [0, 1, 2, 3, 4].map((n) => ({ path: `many/${n}`, data: `number ${n}` }))
    assert.equal((await files.writeFiles(entries)).length, 5)
    assert.equal((await files.write(entries)).length, 5)
    assert.deepEqual(await files.writeFiles([]), [])
    assert.equal(await files.read('many/4'), 'number 4')
  }))

test('folders are made listed renamed and removed', () =>
  withSandbox(async ({ files }) => {
    assert.equal(await files.makeDir('folder/inner'), true)
    assert.equal(await files.makeDir('folder/inner'), false)
    await files.write('folder/inner/file', '')
    const listed = async (depth) => (await files.list('folder', { depth })).map(({ path }) => path)
    assert.deepEqual(await listed(1), ['/home/user/folder/inner'])
    assert.equal((await listed(2)).length, 2)
    const renamed = await files.rename('folder', 'renamed')
    assert.equal(renamed.path, '/home/user/renamed')
    assert.deepEqual([await files.exists('renamed/inner'), await files.exists('folder')], [true, false])
    await files.remove('renamed')
    assert.equal(await files.exists('renamed'), false)
  }))

test('information on a file and a link', () =>
  withSandbox(async ({ files, commands }) => {
    await commands.run('printf 12345 > known; chmod 640 known; ln -s known link')
    const info = await files.getInfo('known')
    assert.deepEqual([info.name, info.size, info.type, info.owner], ['known', 5, 'file', 'user'])
    assert.deepEqual([info.mode & 0o777, info.permissions], [0o640, '-rw-r-----'])
    assert.ok(info.modifiedTime instanceof Date)
    assert.equal((await files.getInfo('link')).symlinkTarget, '/home/user/known')
  }))

test('what is missing or wrong is told by kind', () =>
  withSandbox(async ({ files }) => {
    await assert.rejects(files.read('missing'), FileNotFoundError)
    await assert.rejects(files.getInfo('missing'), FileNotFoundError)
    await assert.rejects(files.list('missing'), FileNotFoundError)
    await assert.rejects(files.rename('missing', 'other'), FileNotFoundError)
    await assert.rejects(files.list('/tmp', { depth: 0 }), InvalidArgumentError)
    await assert.rejects(files.read('/tmp'), InvalidArgumentError)
    await assert.rejects(files.write('/tmp', 'x'), SandboxError)
    await assert.rejects(files.read('x', { user: 'nobody0' }), /invalid username/)
  }))

test('an empty file is a file', () =>
  withSandbox(async ({ files }) => {
    await files.write('empty', '')
    assert.equal(await files.read('empty'), '')
    assert.equal((await files.read('empty', { format: 'bytes' })).length, 0)
    assert.equal((await files.read('empty', { format: 'blob' })).size, 0)
  }))
