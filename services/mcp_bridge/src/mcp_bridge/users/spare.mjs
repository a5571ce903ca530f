// Copyright: (c) 2026, the mcp.tenancy authors
// SPDX-License-Identifier: GPL-3.0-or-later
// A wrapped server that has loaded what it is made of and waits for somebody's login: one line of JSON on its stdin, variables and their values.
// Then it is that server and no longer this program. Argv: the server's program, and modules beside it to load ahead.
import { readSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";

const [program, ...ahead] = process.argv.slice(2);
for (const module of ahead) await import(pathToFileURL(`${dirname(program)}/${module}`));

const bytes = [];
const one = Buffer.alloc(1);
// Byte by byte: what follows the line is the server's. Blocking: there is nothing else to do.
while (readSync(0, one, 0, 1) === 1 && one[0] !== 10) bytes.push(one[0]);
if (one[0] !== 10) process.exit(0); // nobody came
Object.assign(process.env, JSON.parse(Buffer.from(bytes).toString("utf8")));
process.argv = [process.argv[0], program];
await import(pathToFileURL(program));
