// Programs that templates bring: packages of the system, and what E2B's own templates would have.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'

import { Template } from '@e2b/code-interpreter'

/** Build it; return the log. */
async function build(recipe) {
  const lines = []
  const onBuildLogs = ({ message }) => lines.push(message)
  await Template.build(recipe, `t-${randomUUID().slice(0, 13)}`, { onBuildLogs })
  return lines.join('\n')
}

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
