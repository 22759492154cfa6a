// Uploads a file or a whole folder under one artifact name; fails when there is nothing to upload.
import { readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DefaultArtifactClient } from '@actions/artifact';
import { getInput, info, setFailed } from '@actions/core';

const filesBelow = (path) =>
  statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => filesBelow(join(path, name))) : [path];

const path = resolve(getInput('path', { required: true }));
const root = statSync(path).isDirectory() ? path : dirname(path);
const files = filesBelow(path);
if (files.length === 0) {
  setFailed(`nothing to upload in ${path}`);
} else {
  const name = getInput('name', { required: true });
  await new DefaultArtifactClient().uploadArtifact(name, files, root);
  info(`uploaded ${name}: ${files.length} files`);
}
