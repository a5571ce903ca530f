// Copyright: (c) 2026, the mcp.tenancy authors
// SPDX-License-Identifier: GPL-3.0-or-later
// The tool of @modelcontextprotocol/server-postgres for many logins in one process: the same driver, so the same results.
//
// What differs from it is on the side of safety: a query is a prepared statement, so it can only be one; a connection is reset after each call; connections
// are few, and of one login each; an answer that is too large ends its query and not the process.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import tls from "node:tls";
import { Connections } from "./connections.mjs";
import { serve } from "./sessions.mjs";

const [modules] = process.argv.slice(2);
const { default: pg } = await import(pathToFileURL(`${modules}/pg/esm/index.mjs`));

const MOST = Number(process.env.MCP_DENSE_CONNECTIONS);
const MOST_BYTES = Number(process.env.MCP_DENSE_ANSWER_BYTES);
const EACH = 4;
const IDLE_MS = 10_000; // what node-pg's own pool takes
const INTERNAL_ERROR = -32603;
// One for all connections: the certificates are the same for everybody, and parsing them takes memory. This CA and no other; as libpq has the modes.
const { mode, ca, client: own } = JSON.parse(process.env.MCP_DENSE_TLS);
const read = (path) => (path ? readFileSync(path) : undefined);
const ssl = {
  secureContext: tls.createSecureContext({ ca: read(ca), cert: read(own), key: read(own) }),
  ...(mode === "require" ? { rejectUnauthorized: false } : {}),
  ...(mode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
};

const connections = new Connections({ connect, end, most: MOST, mostEach: EACH, idleMs: IDLE_MS });

async function connect({ user, password }) {
  const client = new pg.Client({ user, password, ssl });
  client.on("error", () => connections.drop(client)); // the database ended an idle one
  await client.connect();
  return client;
}

function end(client) {
  client.end().catch(() => client.connection.stream.destroy());
}

/** Rows of one statement. */
function rows(client, text) {
  const statement = new pg.Query({ text, queryMode: "extended" });
  const stream = client.connection.stream;
  const before = stream.bytesRead;
  return new Promise((resolve, reject) => {
    statement.on("row", (row, result) => {
      if (stream.bytesRead - before > MOST_BYTES) {
        reject(new Error(`the answer has more than ${MOST_BYTES} bytes, more than this service allows; ask for fewer rows or columns`));
        stream.destroy();
      } else {
        result.addRow(row);
      }
    });
    statement.on("error", reject);
    statement.on("end", (result) => resolve(result.rows));
    client.query(statement);
  });
}

async function query(client, text, reusable) {
  await client.query("BEGIN TRANSACTION READ ONLY");
  try {
    return JSON.stringify(await rows(client, text), null, 2);
  } finally {
    // Not waited for here: whoever has it next comes behind both in the driver's queue. What outlives a transaction goes too: advisory locks.
    Promise.all([client.query("ROLLBACK"), client.query("DISCARD ALL")]).catch(() => end(client));
    if (!client.connection.stream.destroyed) reusable();
  }
}

function session(login, send) {
  const owner = { login, busy: 0, over: false };

  async function call({ name, arguments: given }) {
    if (name !== "query") throw new Error(`Unknown tool: ${name}`);
    const text = await connections.with(owner, (client, reusable) => query(client, given?.sql, reusable));
    return { content: [{ type: "text", text }], isError: false };
  }

  function answer({ method, params }) {
    if (method === "tools/call") return call(params);
    if (method === "ping") return {};
    const serverInfo = { name: "example-servers/postgres", version: "0.1.0" };
    return { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo };
  }

  return {
    async receive(request) {
      if (request.id === undefined) return;
      const head = { jsonrpc: "2.0", id: request.id };
      try {
        send({ ...head, result: await answer(request) });
      } catch (error) {
        send({ ...head, error: { code: INTERNAL_ERROR, message: error.message } });
      }
    },
    close: () => connections.leave(owner),
  };
}

serve(session);
