// Makes JavaScript of TypeScript with what Node.js itself brings for that.

import module from 'node:module';
import process from 'node:process';

/**
 * Return `code` without its types. Every other character keeps its place, unless the code has an
 * enum, a namespace or a parameter property, which take a rewriting of all of it. Only what is
 * imported as a type is dropped: a later cell may use an import that this one does not.
 */
export function stripTypes(code) {
  if (module.stripTypeScriptTypes === undefined) {
    throw new Error(
      `TypeScript needs Node.js 22.13 or later; here it is ${process.version}. ` +
        'Use a template with a newer `node`, or write JavaScript.',
    );
  }
  try {
    return strip(code, 'strip');
  } catch (error) {
    if (error.code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') throw plainly(error);
  }
  try {
    return strip(code, 'transform');
  } catch (error) {
    throw plainly(error);
  }
}

function strip(code, mode) {
  return module.stripTypeScriptTypes(code, { mode });
}

/** An error as V8 would tell it: where and what, without Node.js's own frames. */
function plainly(error) {
  const [place] = String(error.stack).split(/^\w*Error\b/m);
  const plain = new SyntaxError(error.message);
  plain.stack = `${place.trim()}\n\nSyntaxError: ${error.message}`.trim();
  return plain;
}
