import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'

import { Sandbox, Template } from '@e2b/code-interpreter'

// A Python package that brings what builds it: an index would need the Internet.
const PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
const BACKEND = `
import zipfile

def build_wheel(folder, *_):
    name, info = "local_module-1.0-py3-none-any.whl", "local_module-1.0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("local_module.py", "value = 42")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: local-module\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
`

const unique = () => `t-${randomUUID().slice(0, 13)}`

async function within(template, use) {
  const sandbox = await Sandbox.create(template, { timeoutMs: 60_000 })
  try {
    await use(sandbox)
  } finally {
    await sandbox.kill()
  }
}

test('a template is built named and tagged', async () => {
  const name = unique()
  const recipe = Template().fromBaseImage().runCmd('echo built > ~/built')
  const { templateId } = await Template.build(recipe, name)
  assert.equal(await Template.exists(name), true)
  assert.equal(await Template.aliasExists(name), true)
  const started = await Template.buildInBackground(recipe, name)
  assert.equal((await Template.getBuildStatus(started)).buildID, started.buildId)
  await Template.assignTags(name, ['good'])
  const tags = async () => (await Template.getTags(templateId)).map(({ tag }) => tag)
  assert.ok((await tags()).includes('good'))
  await Template.removeTags(name, ['good'])
  assert.ok(!(await tags()).includes('good'))
  await within(name, async ({ files }) => assert.equal(await files.read('built'), 'built\n'))
})

test('every step leaves its mark', async () => {
  mkdirSync('package')
  mkdirSync('module')
  writeFileSync('module/pyproject.toml', PROJECT)
  writeFileSync('module/backend.py', BACKEND)
  writeFileSync('one.txt', 'one')
  writeFileSync('two.txt', 'two')
  writeFileSync('package/package.json', '{"name": "local-one", "version": "1.0.0"}')
  const commit = 'git -c user.name=n -c user.email=e@example.com commit -q --allow-empty -m first'
  const name = unique()
  const recipe = Template({ fileContextPath: process.cwd() })
    .skipCache()
    .fromTemplate('code-interpreter-v1')
    .setEnvs({ GREETING: 'hello' })
    .copy('one.txt', '/srv-a/')
    .copyItems([{ src: 'two.txt', dest: 'b.txt' }, { src: 'package', dest: 'package' }])
    .rename('b.txt', 'c.txt')
    .runCmd(['touch d.txt', 'echo $GREETING > said.txt'])
    .remove('d.txt')
    .makeSymlink('c.txt', 'e.txt')
    .makeDir('made')
    .runCmd(`git init -q origin && cd origin && ${commit}`)
    .gitClone('file:///home/user/origin', '/home/user/clone')
    .npmInstall('./package')
    .copy('module', 'module')
    .pipInstall('/home/user/module')
    .setUser('root')
    .runCmd('echo $HOME > /who.txt')
    .setUser('user')
    .setWorkdir('/home/user/made')
    .setReadyCmd('echo asked >> ~/asked; test $(wc -l < ~/asked) -ge 2')
  assert.match(await Template.toJSON(recipe), /COPY/)
  const plain = Template().fromDockerfile('FROM debian:13\nRUN true')
  assert.match(Template.toDockerfile(plain), /^FROM debian:13/)
  await Template.build(recipe, name)
  await within(name, async ({ commands, files }) => {
    const there = 'cd; cat /srv-a/one.txt e.txt /who.txt said.txt; ls d.txt clone/.git/HEAD node_modules'
    const { stdout } = await commands.run(`pwd; ${there} 2>&1; true`)
    assert.match(stdout, /^\/home\/user\/made\nonetwo\/root\nhello\n/)
    assert.match(stdout, /cannot access 'd.txt'/)
    assert.match(stdout, /clone\/\.git\/HEAD/)
    assert.match(stdout, /local-one/)
    assert.equal((await commands.run('python -c "import local_module"')).exitCode, 0)
    assert.match(await files.read('/home/user/asked'), /^asked\nasked\n/)
  })
})

test('a start command runs before a client gets its sandbox', async () => {
  const name = unique()
  const start = 'sleep 0.2; touch /tmp/started; sleep 1000'
  await Template.build(Template().fromBaseImage().setStartCmd(start, 'test -e /tmp/started'), name)
  await within(name, async ({ files }) => assert.ok(await files.exists('/tmp/started')))
})

test('a Dockerfile is a recipe too', async () => {
  const name = unique()
  const recipe = Template().fromDockerfile('FROM e2bdev/base\nRUN echo built > /home/user/built')
  await Template.build(recipe, name)
  await within(name, async ({ files }) => assert.equal(await files.read('built'), 'built\n'))
})
