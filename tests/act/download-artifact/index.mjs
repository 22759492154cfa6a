// Downloads every artifact of this run, each into a folder named after it.
import { join } from 'node:path';
import { DefaultArtifactClient } from '@actions/artifact';
import { getInput, info } from '@actions/core';

const client = new DefaultArtifactClient();
const { artifacts } = await client.listArtifacts({ latest: true });
for (const { id, name } of artifacts) {
  await client.downloadArtifact(id, { path: join(getInput('path', { required: true }), name) });
  info(`downloaded ${name}`);
}
