// Copyright: (c) 2026, the mcp.tenancy authors
// SPDX-License-Identifier: GPL-3.0-or-later
// A wrapped server that has loaded what it is made of and waits for somebody's login: one line of JSON on its stdin, variables and their values.
// Then it is that server and no longer this program. Argv: modules beside the server's program to load ahead (commas between), that program, its arguments.
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";

const [ahead, program, ...rest] = process.argv.slice(2);
for (const module of ahead.split(",").filter(Boolean)) await import(pathToFileURL(`${dirname(program)}/${module}`));

const { stdin } = process;
const nobody = () => process.exit(0);
const login = await new Promise((resolve) => {
  let held = Buffer.alloc(0);
  const read = () => {
    for (let chunk; (chunk = stdin.read()) !== null; ) {
      held = Buffer.concat([held, chunk]);
      const end = held.indexOf(10);
      if (end < 0) continue;
      stdin.off("readable", read).off("end", nobody);
      if (held.length > end + 1) stdin.unshift(held.subarray(end + 1)); // what follows the line is the server's
      resolve(held.subarray(0, end).toString("utf8"));
      return;
    }
  };
  stdin.on("readable", read).on("end", nobody);
});
Object.assign(process.env, JSON.parse(login));
process.argv = [process.argv[0], program, ...rest];
await import(pathToFileURL(program));
