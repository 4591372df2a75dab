import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Secret, Volume } from 'e2b'

import { withSandbox } from './sandboxes.mjs'

const fresh = (kind) => `js-${kind}-${crypto.randomUUID().slice(0, 8)}`

test('a volume is made listed filled and destroyed', async () => {
  const volume = await Volume.create(fresh('volume'))
  try {
    assert.ok((await Volume.list()).some(({ volumeId }) => volumeId === volume.volumeId))
    assert.equal((await Volume.getInfo(volume.volumeId)).name, volume.name)
    await volume.makeDir('/folder')
    await volume.writeFile('/folder/file', 'kept')
    assert.equal(await volume.readFile('/folder/file'), 'kept')
    assert.deepEqual((await volume.list('/folder')).map(({ name }) => name), ['file'])
    assert.equal(await volume.exists('/folder/other'), false)
    const same = await Volume.connect(volume.volumeId)
    assert.equal((await same.updateMetadata('/folder/file', { mode: 0o600 })).mode & 0o777, 0o600)
    await volume.remove('/folder/file')
    assert.equal(await volume.exists('/folder/file'), false)
  } finally {
    assert.equal(await Volume.destroy(volume.volumeId), true)
  }
  assert.equal(await Volume.destroy(volume.volumeId), false)
})

test('a volume is shared by sandboxes', async () => {
  const volume = await Volume.create(fresh('volume'))
  try {
    const volumeMounts = { '/shared': volume }
    await withSandbox((sandbox) => sandbox.files.write('/shared/a', 'b'), { volumeMounts })
    await withSandbox(async ({ files }) => assert.equal(await files.read('/shared/a'), 'b'), {
      volumeMounts,
    })
  } finally {
    await Volume.destroy(volume.volumeId)
  }
})

test('a secret is made listed replaced and destroyed', async () => {
  const name = fresh('secret')
  const made = await Secret.create(name, 'value', { metadata: { by: 'js' } })
  try {
    assert.equal(await Secret.exists(name), true)
    assert.equal(Secret.fill(name), `\${e2b.secrets.${name}}`)
    assert.equal(Secret.iamToken({ audience: 'a', tokenType: 'JWT-SVID' }).audience, 'a')
    assert.deepEqual((await Secret.getInfo(name)).metadata, { by: 'js' })
    assert.ok((await Secret.list().nextItems()).some(({ secretId }) => secretId === made.secretId))
    assert.ok((await Secret.update(name, 'other')).version > made.version)
  } finally {
    assert.equal(await Secret.destroy(name), true)
  }
  assert.equal(await Secret.exists(name), false)
})
