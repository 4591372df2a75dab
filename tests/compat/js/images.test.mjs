// Templates from images: the server takes Docker Hub, and what else these ask, from registries on loopback.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'

import { Template } from '@e2b/code-interpreter'

const { GOOGLE_KEY, PASSWORD_OF_IMAGE, PRIVATE_IMAGE, USER_OF_IMAGE } = process.env

/** Build it; return the log. */
async function build(recipe) {
  const lines = []
  const onBuildLogs = ({ message }) => lines.push(message)
  await Template.build(recipe, `t-${randomUUID().slice(0, 13)}`, { onBuildLogs })
  return lines.join('\n')
}

test('an image by its kind is docker hubs', async () => {
  const kinds = {
    'library/alpine:3': Template().fromAlpineImage('3'),
    'library/archlinux:latest': Template().fromArchImage(),
    'library/debian:stable': Template().fromDebianImage(),
    'library/fedora:44': Template().fromFedoraImage('44'),
    'library/node:lts': Template().fromNodeImage(),
    'library/python:3': Template().fromPythonImage(),
    'library/ubuntu:latest': Template().fromUbuntuImage(),
  }
  for (const [image, recipe] of Object.entries(kinds)) {
    assert.ok((await build(recipe.runCmd('echo js has $IMAGE'))).includes(`js has ${image}`))
  }
  const log = await build(Template().fromBunImage().bunInstall('left'))
  assert.match(log, /bun was asked: install left/)
})

test('passwords and keys open registries', async () => {
  writeFileSync('key.json', GOOGLE_KEY)
  const credentials = { username: USER_OF_IMAGE, password: PASSWORD_OF_IMAGE }
  await build(Template().skipCache().fromImage(PRIVATE_IMAGE, credentials))
  const inFolder = () => Template({ fileContextPath: process.cwd() }).skipCache()
  await build(inFolder().fromGCPRegistry(PRIVATE_IMAGE, { serviceAccountJSON: 'key.json' }))
  const keys = { accessKeyId: 'AKIATEST', secretAccessKey: 'secret-key', region: 'eu-west-1' }
  await build(Template().skipCache().fromAWSRegistry(PRIVATE_IMAGE, keys))
})

// E2B's own templates of these names are not published: the programs of these tell how they were asked.
test('templates of the cloud are replaced by ones own', async () => {
  const told = (path) => `printf '#!/bin/sh\\necho asked: $0 "$@"\\n' > ${path} && chmod 755 ${path}`
  for (const name of ['mcp-gateway', 'devcontainer']) {
    const recipe = Template().fromBaseImage().runCmd([told('/opt/it'), told('/prepare-exec.sh')], { user: 'root' })
    await Template.build(recipe.runCmd(`ln -s /opt/it /usr/local/bin/${name}`, { user: 'root' }), name)
  }
  const servers = await build(Template().fromTemplate('mcp-gateway').addMcpServer(['time', 'exa']))
  assert.match(servers, /asked: .*mcp-gateway pull time exa/)
  const recipe = Template().fromTemplate('devcontainer').betaDevContainerPrebuild('/work')
  assert.match(await build(recipe.betaSetDevContainerStart('/work')), /devcontainer build --workspace-folder \/work/)
})

test('packages of the system come from the archives that apt is told', async () => {
  const control = 'Package: c6-hello\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: made for a test\n'
  writeFileSync('control', control)
  const make = [
    'mkdir -p /srv/tree/DEBIAN /srv/tree/usr/share/c6-hello && cp /srv/control /srv/tree/DEBIAN/',
    'echo hello > /srv/tree/usr/share/c6-hello/text',
    'dpkg-deb --root-owner-group --build /srv/tree /srv/c6-hello.deb',
    'cd /srv && (cat control; echo "Filename: ./c6-hello.deb"; stat -c "Size: %s" c6-hello.deb; ' +
      'sha256sum c6-hello.deb | sed "s/ .*//; s/^/SHA256: /") > Packages',
    'rm -f /etc/apt/sources.list.d/* && echo "deb [trusted=yes] file:/srv ./" > /etc/apt/sources.list',
  ]
  const recipe = Template({ fileContextPath: process.cwd() })
    .fromBaseImage()
    .copy('control', '/srv/control', { user: 'root' })
    .runCmd(make, { user: 'root' })
    .aptInstall('c6-hello')
    .runCmd('cat /usr/share/c6-hello/text')
  assert.match(await build(recipe), /hello/)
})
