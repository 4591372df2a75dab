// Runs one hostile program (process.argv[2]) and holds still afterwards, so that it can be observed.
'use strict';
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const child = require('child_process');
const say = (met, what = '') => fs.writeSync(1, `@${met} ${what}\n`);
const attempt = (what, action) => {
  try {
    const result = action();
    say('OK', what);
    return result === undefined ? true : result;
  } catch (failure) {
    say(failure.code || failure.name, what);
    return null;
  }
};
const hold = () => {
  fs.writeSync(1, '\n@held\n');
  setInterval(() => {}, 1000);
};
const env = process.env;
const code = fs.readFileSync(process.argv[2], 'utf8');
const body = `(async () => {${code}\n})()`;
eval(body).then(hold, (failure) => { say(failure.code || failure.name, failure.message); hold(); });
