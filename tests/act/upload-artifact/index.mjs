// Uploads files under one artifact name: `path` has a file, a folder or a pattern a line, `!` before what is left out. `*` stands for a
// part of a file's name, as in the patterns of action.yml. Fails when there is nothing to upload, unless that is to be ignored.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DefaultArtifactClient } from '@actions/artifact';
import { getInput, info, setFailed } from '@actions/core';

const isFolder = (path) => existsSync(path) && statSync(path).isDirectory();
const filesBelow = (path) => (isFolder(path) ? readdirSync(path).flatMap((name) => filesBelow(join(path, name))) : [path]);
const expression = (name) => new RegExp(`^${name.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
const matches = (pattern, file) => dirname(file) === dirname(pattern) && expression(basename(pattern)).test(basename(file));
const filesOf = (pattern) => {
  if (isFolder(pattern)) return filesBelow(pattern);
  if (!isFolder(dirname(pattern))) return [];
  return filesBelow(dirname(pattern)).filter((file) => matches(pattern, file));
};

const lines = getInput('path', { required: true }).split('\n').map((line) => line.trim()).filter(Boolean);
const wanted = lines.filter((line) => !line.startsWith('!')).map((line) => resolve(line));
const leftOut = lines.filter((line) => line.startsWith('!')).map((line) => resolve(line.slice(1)));
const root = isFolder(wanted[0]) ? wanted[0] : dirname(wanted[0]);
const files = [...new Set(wanted.flatMap(filesOf))].filter((file) => !leftOut.some((pattern) => matches(pattern, file)));
const name = getInput('name', { required: true });
if (files.length > 0) {
  await new DefaultArtifactClient().uploadArtifact(name, files, root);
  info(`uploaded ${name}: ${files.length} files`);
} else if (getInput('if-no-files-found') === 'ignore') {
  info(`nothing to upload for ${name}`);
} else {
  setFailed(`nothing to upload for ${name} in ${lines.join(', ')}`);
}
