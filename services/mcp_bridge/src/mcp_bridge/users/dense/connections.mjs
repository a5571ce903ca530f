// Copyright: (c) 2026, the mcp.tenancy authors
// SPDX-License-Identifier: GPL-3.0-or-later
// Connections of many logins with few of them open: each is of one login for all of its life, and whoever waits longest is next.

/**
 * `connect(login)` promises a connection; `end(connection)` closes it. `most` in all, `mostEach` of one login, idle ones end after `idleMs`.
 */
export class Connections {
  constructor({ connect, end, most, mostEach, idleMs }) {
    Object.assign(this, { connect, end, most, mostEach, idleMs });
    this.open = 0;
    this.waiting = [];
    this.idle = []; // {owner, connection, timer}, the longest idle first
  }

  /** For as long as `work(connection)` takes. `owner` is what connections are told apart by: {login, busy: 0}. */
  async with(owner, work) {
    const connection = await this.#take(owner);
    let usable = false;
    try {
      const answer = await work(connection, () => (usable = true));
      return answer;
    } finally {
      this.#giveBack(owner, connection, usable);
    }
  }

  #take(owner) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ owner, resolve, reject });
      this.#serve();
    });
  }

  /** Everybody who can go on now, in the order of their coming. */
  #serve() {
    for (let place = 0; place < this.waiting.length; ) {
      const { owner, resolve, reject } = this.waiting[place];
      const own = this.idle.findIndex((one) => one.owner === owner);
      if (owner.busy >= this.mostEach || (own < 0 && this.open >= this.most && !this.idle.length)) {
        place += 1;
        continue;
      }
      this.waiting.splice(place, 1);
      owner.busy += 1;
      if (own >= 0) {
        resolve(this.#awake(own).connection);
        continue;
      }
      if (this.open >= this.most) this.#close(this.#awake(0).connection);
      this.open += 1;
      this.connect(owner.login).then(resolve, (error) => {
        this.open -= 1;
        owner.busy -= 1;
        reject(error);
        this.#serve();
      });
    }
  }

  #awake(place) {
    const [one] = this.idle.splice(place, 1);
    clearTimeout(one.timer);
    return one;
  }

  #giveBack(owner, connection, usable) {
    owner.busy -= 1;
    if (usable && !owner.over) {
      const one = { owner, connection };
      one.timer = setTimeout(() => this.drop(connection), this.idleMs);
      this.idle.push(one);
    } else {
      this.#close(connection);
    }
    this.#serve();
  }

  #close(connection) {
    this.open -= 1;
    this.end(connection);
  }

  /** An idle connection that is of no use any more. */
  drop(connection) {
    const place = this.idle.findIndex((one) => one.connection === connection);
    if (place < 0) return;
    this.#close(this.#awake(place).connection);
    this.#serve();
  }

  /** No connection of this owner stays. */
  leave(owner) {
    owner.over = true;
    for (const { connection } of this.idle.filter((one) => one.owner === owner)) this.drop(connection);
  }
}
