import assert from 'node:assert/strict'
import { test } from 'node:test'

import { withSandbox } from './sandboxes.mjs'

test('a repository is made filled cloned and changed', () =>
  withSandbox(async ({ git, files }) => {
    await git.init('/tmp/origin', { bare: true, initialBranch: 'main' })
    await git.init('/tmp/work', { initialBranch: 'main' })
    await git.configureUser('A Name', 'a@example.com')
    await git.setConfig('core.editor', 'true')
    assert.equal(await git.getConfig('core.editor'), 'true')
    await files.write('/tmp/work/file', 'one\n')
    assert.equal((await git.status('/tmp/work')).hasChanges, true)
    await git.add('/tmp/work')
    await git.commit('/tmp/work', 'first')
    await git.remoteAdd('/tmp/work', 'origin', '/tmp/origin')
    assert.equal(await git.remoteGet('/tmp/work', 'origin'), '/tmp/origin')
    await git.push('/tmp/work', { remote: 'origin', branch: 'main' })
    await git.clone('/tmp/origin', { path: '/tmp/clone' })
    await git.createBranch('/tmp/work', 'other')
    assert.equal((await git.branches('/tmp/work')).currentBranch, 'other')
    await git.checkoutBranch('/tmp/work', 'main')
    await git.deleteBranch('/tmp/work', 'other', { force: true })
    await files.write('/tmp/work/file', 'two\n')
    await git.restore('/tmp/work', { paths: ['file'] })
    assert.equal(await files.read('/tmp/work/file'), 'one\n')
    await files.write('/tmp/work/file', 'two\n')
    await git.add('/tmp/work')
    await git.reset('/tmp/work', { mode: 'hard' })
    await files.write('/tmp/work/file', 'three\n')
    await git.add('/tmp/work')
    await git.commit('/tmp/work', 'second')
    await git.push('/tmp/work')
    await git.pull('/tmp/clone')
    assert.equal(await files.read('/tmp/clone/file'), 'three\n')
    await git.dangerouslyAuthenticate({ username: 'name', password: 'word', host: 'git.example' })
    assert.match(await files.read('/home/user/.git-credentials'), /git\.example/)
  }))
