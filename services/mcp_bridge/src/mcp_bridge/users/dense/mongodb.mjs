// Copyright: (c) 2026, the mcp.tenancy authors
// SPDX-License-Identifier: GPL-3.0-or-later
// The tools of mongodb-mcp-server for many logins in one process: its own library, with a connection store of its own for each session.
import { pathToFileURL } from "node:url";
import { serve } from "./sessions.mjs";

const [modules] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(`${modules}/${path}`));
const cli = await load("@mongodb-js/mcp-cli/dist/index.js");
const { NoopLogger } = await load("@mongodb-js/mcp-core/dist/index.js");
const { MCPConnectionStore } = await load("@mongodb-js/mcp-tools-mongodb/dist/index.js");
const { AllTools } = await load("mongodb-mcp-server/dist/esm/allTools.js");
const { packageInfo: serverMetadata } = await load("mongodb-mcp-server/dist/esm/common/packageInfo.js");

// A place without a login: what the sessions add is theirs alone.
const PLACE = process.env.MCP_DENSE_CONNECTION_STRING;
const { parsed: config, error } = cli.parseUserConfig({ args: [] });
if (!config) throw new Error(`settings are refused: ${error}`);
const logger = new NoopLogger(); // what it logs may quote a connection string
const shared = await cli.createSharedServicesFromConfig({
  config,
  serverMetadata,
  tools: AllTools,
  resources: [],
  logger,
  keychain: cli.createKeychainFromConfig({ config }),
});

/** The MCP SDK's transport for one session. */
class Pipe {
  constructor(send) {
    this.deliver = send;
  }
  async start() {}
  async send(message) {
    this.deliver(message);
  }
  async close() {
    this.onclose?.();
  }
}

async function session({ user, password }, send) {
  const place = new URL(PLACE);
  place.username = encodeURIComponent(user);
  place.password = encodeURIComponent(password);
  const own = { ...config, connectionString: place.href };
  const keychain = cli.createKeychainFromConfig({ config: own });
  const connectionStore = new MCPConnectionStore({ options: own, logger, deviceId: shared.deviceId, serverMetadata, keychain });
  const services = { ...shared, config: own, keychain, connectionStore, connectionRegistry: connectionStore.view() };
  const server = cli.createServerFromConfig({ config: own, sharedServices: services });
  const pipe = new Pipe(send);
  await server.connect(pipe);
  return {
    receive: (message) => pipe.onmessage?.(message),
    close: async () => {
      await server.close();
      await connectionStore.closeAll();
    },
  };
}

serve(session);
