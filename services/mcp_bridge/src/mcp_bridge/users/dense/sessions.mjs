// Copyright: (c) 2026, the mcp.tenancy authors
// SPDX-License-Identifier: GPL-3.0-or-later
// Many sessions over one pair of pipes; the other end is `mcp_bridge.users.dense`.
//
// A line is a session's number, a blank, and JSON. Session 0 is the process itself:
//   in   0 {"open": 7, "user": …, "password": …}    7 <a JSON-RPC message>    0 {"close": 7}    0 {"ping": 1}
//   out  7 <a JSON-RPC message>    0 {"pong": 1}
// Logins come this way only, so neither argv nor environment has one.

const NEWLINE = 10;

function tell(session, message) {
  process.stdout.write(`${session} ${JSON.stringify(message)}\n`);
}

/**
 * Serve until stdin ends. `open(login, send)` begins a session: what it returns, or promises, has `receive(message)` and `close()`.
 */
export function serve(open) {
  const sessions = new Map();

  function control(order) {
    if (order.ping !== undefined) {
      tell(0, { pong: order.ping });
    } else if (order.open !== undefined) {
      const number = order.open;
      const begun = Promise.resolve(open({ user: order.user, password: order.password }, (message) => sessions.has(number) && tell(number, message)));
      sessions.set(number, begun);
    } else {
      const ended = sessions.get(order.close);
      sessions.delete(order.close);
      ended?.then((session) => session.close());
    }
  }

  function line(text) {
    const blank = text.indexOf(" ");
    const number = Number(text.slice(0, blank));
    const message = JSON.parse(text.slice(blank + 1));
    if (number === 0) control(message);
    else sessions.get(number)?.then((session) => session.receive(message));
  }

  let parts = [];
  process.stdin.on("data", (chunk) => {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      parts.push(chunk.subarray(from, end));
      line(Buffer.concat(parts).toString("utf8"));
      parts = [];
      from = end + 1;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
  });
  process.stdin.on("end", () => process.exit(0));
}
