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
