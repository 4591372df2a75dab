// Rewrites `import` so that it works in code that is evaluated piece by piece, where V8 allows no
// import declarations and Node.js no import(): both become calls of an asynchronous function.

const IDENTIFIER = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;
const DECLARATION =
  /import\s*(?:(?<clause>[\w$\s,*{}]+?)\s*\bfrom\s*|(?<bare>))(?<quote>['"])(?<name>[^'"\n]*)\k<quote>(?:\s*(?:with|assert)\s*\{[^}]*\})?[ \t]*;?/y;
const EXPORT = /export\s+(?=(?:const|let|var|function|class|async)\b)/y;
// After these, a slash begins a regular expression, not a division.
const BEFORE_EXPRESSION =
  /^(?:return|typeof|instanceof|in|of|new|delete|void|throw|case|do|else|yield|await)$/;

/** Return `code` with every import replaced by a call of the function named `importer`. */
export function rewriteImports(code, importer) {
  if (!/\b(?:import|export)\b/.test(code)) return code;
  let out = '';
  let copied = 0;
  for (const token of wordsOf(code)) {
    const replacement = replace(code, token, importer);
    if (!replacement || token.start < copied) continue;
    out += code.slice(copied, token.start) + replacement.text;
    copied = replacement.end;
  }
  return out + code.slice(copied);
}

function replace(code, { word, start, depth }, importer) {
  if (word === 'export' && depth === 0) {
    const match = matchAt(EXPORT, code, start);
    return match && { text: '', end: start + match[0].length };
  }
  if (word !== 'import') return null;
  if (/^\s*\(/.test(code.slice(start + 6, start + 100))) {
    return { text: importer, end: start + 6 };
  }
  const match = depth === 0 ? matchAt(DECLARATION, code, start) : null;
  return match && { text: declaration(match, importer), end: start + match[0].length };
}

function declaration(match, importer) {
  const { clause, name } = match.groups;
  const call = `await ${importer}(${JSON.stringify(name)})`;
  const lines = '\n'.repeat(match[0].split('\n').length - 1); // later lines keep their numbers
  return (clause ? bindings(clause.trim(), call) : `${call};`) + lines;
}

function bindings(clause, call) {
  const [, first, rest] = /^([\w$]+)?\s*,?\s*([^]*)$/.exec(clause);
  const named = rest.startsWith('{') ? rest.replace(/\s+as\s+/g, ': ').replace(/\s+/g, ' ') : '';
  const space = rest.startsWith('*') ? rest.replace(/^\*\s*as\s+/, '') : '';
  if (space && !first) return `const ${space} = ${call};`;
  const members = [first && `default: ${first}`, named.slice(1, -1).trim()].filter(Boolean);
  const pattern = `{ ${members.join(', ')} }`;
  return space
    ? `const ${space} = ${call}; const ${pattern} = ${space};`
    : `const ${pattern} = ${call};`;
}

/** Yield the words of the code proper, with their nesting: not of strings, comments, patterns. */
function* wordsOf(code) {
  const templates = []; // the brace depths at which `${` was met
  let depth = 0;
  let afterValue = false;
  let position = 0;
  while (position < code.length) {
    const character = code[position];
    const word = matchAt(IDENTIFIER, code, position)?.[0];
    if (word) {
      const member = /\.\s*$/.test(code.slice(Math.max(0, position - 20), position));
      const spread = /\.\.\.\s*$/.test(code.slice(Math.max(0, position - 20), position));
      if (!member || spread) yield { word, start: position, depth: depth + templates.length };
      position += word.length;
      afterValue = member || !BEFORE_EXPRESSION.test(word);
      continue;
    }
    const skipped = skip(code, position, afterValue);
    if (skipped > position) {
      if (!/^\/[/*]/.test(code.slice(position, position + 2))) afterValue = true;
      if (character === '`' && code[skipped - 1] === '{') {
        templates.push(depth);
        afterValue = false;
      }
      position = skipped;
      continue;
    }
    if (character === '}' && templates.length > 0 && templates.at(-1) === depth) {
      position = skipTemplate(code, position + 1);
      if (code[position - 1] === '{') afterValue = false;
      else {
        templates.pop();
        afterValue = true;
      }
      continue;
    }
    if ('([{'.includes(character)) depth += 1;
    if (')]}'.includes(character)) depth = Math.max(0, depth - 1);
    if (!/\s/.test(character)) afterValue = /[\w$)\]}]/.test(character);
    position += 1;
  }
}

/** Return the position after the comment, string or pattern that begins here, or this one. */
function skip(code, position, afterValue) {
  const character = code[position];
  if (character === '"' || character === "'") {
    return end(/(?:[^\\\n]|\\[^])*?(?:\1|(?=\n)|$)/.source.replace('\\1', character), code, position);
  }
  if (character === '`') return skipTemplate(code, position + 1);
  if (code.startsWith('//', position)) return end('[^\\n]*', code, position);
  if (code.startsWith('/*', position)) return end('[^]*?(?:\\*/|$)', code, position + 1);
  if (character === '/' && !afterValue) {
    return end('(?:\\\\.|\\[(?:\\\\.|[^\\]\\\\\\n])*\\]|[^/\\\\\\n\\[])+/[a-z]*|', code, position);
  }
  return position;
}

/** Return the position after the end of a template literal, or after its next `${`. */
function skipTemplate(code, position) {
  return end('(?:[^`\\\\$]|\\\\[^]|\\$(?!\\{))*(?:`|\\$\\{|$)', code, position - 1);
}

/** Match `pattern` after the character at `position`; nothing matched: stay. */
function end(pattern, code, position) {
  const match = matchAt(new RegExp(pattern, 'y'), code, position + 1);
  return match && (match[0] || pattern.endsWith('$)')) ? position + 1 + match[0].length : position;
}

function matchAt(pattern, code, position) {
  pattern.lastIndex = position;
  return pattern.exec(code);
}
