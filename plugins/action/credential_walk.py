# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of credentials' walks, written down in the store before anything else hears of them. Decides on the control node, where the key is."""

from __future__ import annotations

import copy
import datetime

from ansible_collections.mcp.tenancy.plugins.module_utils import (
    _accounts,
    _credentials,
    _declaration,
    _outcomes,
    _password,
    _people,
    _registrations,
    _reports,
    _rotation,
    _walk,
)
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _credentials_file, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._store_action import StopError, StoreAction

PASSWORD_BYTES = 24


class ActionModule(StoreAction):
    """``mcp.tenancy.credential_walk``: read, decide (pure), write."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        self._vars, self._arguments = task_vars, self._task.args
        self._whole = self.whole_declaration(task_vars)
        self._declared = _declaration.present(self._whole)
        try:
            self._keys = self.team_env(self._declared, task_vars).keys()
            return {**result, **getattr(self, f"_{self._arguments['phase']}")()}
        except (StopError, _credentials.CredentialsError, _team_env.TeamEnvError, _accounts.AccountError) as error:
            return {**result, "failed": True, "msg": f"{error}"}

    # Phases

    def _adopt(self) -> dict:
        """Of a deploy: an entry for each service. Logins that were given are taken; credentials that have none yet are begun."""
        held = self._store(operation="read")
        document, before = self._adopted(held), self._opened(held)
        now = _credentials_file.now()
        entries = document["credentials"]
        declared = set(self._services(document))
        for name, entry in entries.items():
            entries[name] = _walk.taken(_walk.back_again(entry) if name in declared and "/" not in name else entry, now)
        fresh = [name for name, entry in entries.items() if name in declared and entry["kind"] == "managed" and entry["active"] is None]
        on_their_way = [name for name, entry in entries.items() if entry["walk"] and name not in fresh]
        if document["credentials"] == before["credentials"] and not fresh and held["version"] == document["version"]:
            return {**self._state(held, []), "changed": False, "on_their_way": on_their_way}
        if self._task.check_mode:
            return {**self._state(held, []), "changed": True, "on_their_way": on_their_way}
        lease = self._acquired(self._lease_seconds())
        if lease["version"] != held["version"]:
            self._store(operation="release", fence=lease["fence"])
            raise StopError("the credentials' store was changed while this run read it. Next: run again")
        document = self._begun(document, fresh, now)
        written = self._document_written(document, lease)
        if not fresh:
            self._store(operation="release", fence=lease["fence"])
        return {**written, "names": fresh, "changed": True, "on_their_way": on_their_way}

    def _begin(self) -> dict:
        """Of a rotation: the lease, what is due, a new password in the store for each of it."""
        if left_out := self._arguments.get("left_out"):
            raise StopError(
                f"{', '.join(left_out)} would keep logins that are ended: a rotation needs all hosts of the team. "
                "Next: run without --limit; correct what kept a host out of the run"
            )
        forced, now = self._forced(), datetime.datetime.now(datetime.UTC)
        settings = _rotation.of(self._declared)
        held = self._store(operation="read") if self._task.check_mode else self._acquired(self._lease_seconds())
        try:
            document = self._adopted(held)
            if order := self._arguments.get("person"):
                document, name = self._asked(document, order)
                forced = [name]
            declared = self._services(document)
            entries = {name: entry for name, entry in document["credentials"].items() if name in declared and (not order or name in forced)}
            names = _walk.due({**document, "credentials": entries}, settings.every, now, forced)
            skipped = self._arguments.get("done") or []
            names = [name for name in names if name not in skipped]
            batch, left = names[: settings.batch], names[settings.batch :]
            # The first batch looks at every credential that is ours: what was changed behind our back is put right. A run for certain credentials needs
            # their databases only, and is to be over soon.
            named = bool(forced) and "all" not in forced
            ours = [name for name, entry in entries.items() if entry["kind"] == "managed" and not skipped and not named]
            told = {"left": left, "looked_at": sorted({*batch, *ours})}
            if self._task.check_mode:
                return {**self._state(held, batch), **told, "changed": bool(batch)}
            before, document = self._opened(held), self._begun(document, batch, _credentials_file.now())
            told |= self._whom_to_ask(document, batch)
            if document["credentials"] == before["credentials"] and document["version"] == held["version"]:
                return {**self._state(held, batch), **told, "changed": False}
            return {**self._document_written(document, held), **told, "names": batch, "changed": True}
        except Exception:
            if not self._task.check_mode:
                self._store(operation="release", fence=held["fence"])
            raise

    def _leave(self) -> dict:
        """Credentials of services that no host runs any more: the lease, and that their logins go. ``everything``: the team itself goes."""
        held = self._store(operation="read")
        if not self._going(self._newest(held)):
            return {**self._state(held, []), "changed": False}
        if left_out := self._arguments.get("left_out"):
            raise StopError(
                f"{', '.join(left_out)} may still use logins that would be ended. Next: run without --limit; correct what kept a host out of the run"
            )
        if self._task.check_mode:
            return {**self._state(held, []), "changed": True}
        held = self._acquired(self._lease_seconds())
        try:
            document, now = copy.deepcopy(self._newest(held)), _credentials_file.now()
            names = self._going(document)
            for name in names:
                document["credentials"][name] = _walk.left(document["credentials"][name], now)
            return {**self._document_written(document, held), "names": names, "changed": True}
        except Exception:
            self._store(operation="release", fence=held["fence"])
            raise

    def _restore(self) -> dict:
        """A document out of backups, where none that is as new is left: what was ours to make is made anew by the deploy that follows."""
        backups = [self._opened(one) for one in self._arguments["backups"] if one and one.get("document")]
        restored = _credentials.merged(self._declared["mcp_team"], backups)
        held = self._store(operation="read")
        if not _walk.is_lost(self._newest(held), restored):
            return {**self._state(held, []), "changed": False}
        if self._task.check_mode:
            return {**self._state(held, []), "changed": True}
        held = self._acquired(self._lease_seconds())
        try:
            document = _walk.restored(self._newest(held), restored)
            written = self._document_written(document, held)
        finally:
            self._store(operation="release", fence=held["fence"])
        return {**written, "names": sorted(document["credentials"]), "changed": True}

    def _accounts(self) -> dict:
        """What the databases said: a login that works may be used, one that does not is dropped."""
        errors = _reports.of_accounts(self._arguments["accounts"], self._names())
        result = self._step(lambda name, entry, now: _walk.after_accounts(entry, errors.get(name, ""), now))
        return {**result, "errors": errors}

    def _hosts(self) -> dict:
        """What the hosts said: a login that all of them use is the active one now; else all go back."""
        errors = _reports.of_hosts(self._arguments["hosts"], self._expected())
        state = self._arguments["state"]
        at_rest = [name for name, entry in self._opened(state)["credentials"].items() if not entry["walk"] and name not in (state.get("errors") or {})]
        result = self._step(lambda name, entry, now: _walk.after_hosts(entry, errors.get(name, ""), now))
        return {**result, "errors": errors, "unseen": {name: why for name, why in errors.items() if name in at_rest}}

    def _settled(self) -> dict:
        """What the hosts said once they were asked to let go of the other login."""
        errors = _reports.of_settling(self._arguments["hosts"], self._expected())
        result = self._step(lambda name, entry, now: _walk.after_settling(entry, errors.get(name, ""), now))
        return {**result, "errors": errors, "unseen": self._arguments["state"].get("unseen", {})}

    def _close(self) -> dict:
        """The end of a batch: journal, lease, and what became of each credential. Fails by name when one is not well."""
        state = self._arguments["state"]
        errors = _reports.of_accounts(self._arguments["accounts"], self._names()) if self._names() else {}
        result = self._step(lambda name, entry, now: _walk.after_accounts(entry, errors.get(name, ""), now))
        self._store(operation="release", fence=state["fence"])
        errors = {**state.get("unseen", {}), **errors}  # a first login has nothing to go back to
        first, looked_at = self._arguments.get("first") or {}, state.get("looked_at") or self._names()
        told = _outcomes.of(self._opened(result), self._names(), _reports.of_accounts(first, looked_at) if first else {}, errors, first.get("services") or {})
        if told:
            self._display.display(_outcomes.table(told))
        wrong = [line for one in told if (line := _outcomes.sentence(one))]
        return {**result, "outcomes": told, "wrong": wrong, "changed": result["changed"] or any(one["note"] for one in told)}

    # Parts

    def _newest(self, held: dict) -> dict:
        """The newest document there is: the store's, with what hosts have that is newer."""
        copies = [copied for copied in self._arguments.get("copies") or [] if copied and copied.get("document")]
        return _credentials.merged(self._declared["mcp_team"], [self._opened(one) for one in [held, *copies] if one["document"]])

    def _going(self, document: dict) -> list[str]:
        """Credentials that are to end, people's included. Of a service that is declared nowhere nobody knows where its database is."""
        over = self._whole if self._arguments.get("everything") else _declaration.absent(self._whole)
        services = {service["name"] for service in _declaration.services(over)}
        return sorted(name for name in document["credentials"] if name.partition("/")[0] in services)

    def _adopted(self, held: dict) -> dict:
        """The newest document there is, with what the operator's file gives."""
        document = self._newest(held)
        services = _declaration.services(self._declared)
        values = self.team_env(self._declared, self._vars).read()
        logins = _credentials_file.given(values, services, lambda service: _team_env.names(service, self._declared))
        document = _credentials_file.labelled(document, self._keys[0])
        label = _credentials_file.label(document)
        document, wrong = _credentials.adopted(document, services, logins, label, _credentials_file.now(), _credentials_file.mark)
        if wrong:
            raise StopError("Nothing was changed: " + "; ".join(wrong))
        return document

    def _begun(self, document: dict, names: list[str], now: str) -> dict:
        document, services = copy.deepcopy(document), self._services(document)
        for name in names:
            logins = _accounts.account(self._declared, services[name])["logins"]
            entry = document["credentials"][name]
            document["credentials"][name] = _walk.begun(entry, logins, lambda: _password.draw(PASSWORD_BYTES), _credentials_file.mark(), now)
        return document

    def _step(self, transition: object) -> dict:
        state, now = self._arguments["state"], _credentials_file.now()
        document = self._opened(state)
        after = copy.deepcopy(document)
        for name in self._names():
            if (entry := transition(name, after["credentials"].pop(name), now)) is not None:
                after["credentials"][name] = entry
        same = {"names": state["names"], "looked_at": state.get("looked_at", [])}
        if after["credentials"] == document["credentials"]:
            return {**self._state(state, state["names"]), **same, "changed": False}
        return {**self._document_written(after, state), **same, "changed": True}

    def _names(self) -> list[str]:
        return self._arguments["state"]["names"]

    def _services(self, document: dict) -> dict[str, dict]:
        """Everything with a credential that this declaration knows of: services, and people whose logins are stored."""
        return {one["name"]: one for one in [*_declaration.services(self._declared), *_people.services(self._declared, document)]}

    def _asked(self, document: dict, order: dict) -> tuple[dict, str]:
        """What somebody wants for one person; a login that was given is read from its file here."""
        service = next((one for one in _declaration.services(self._declared) if one["name"] == order.get("service")), None)
        login = None
        if order.get("login_file") and service is not None:
            login = _credentials_file.given_in_file(self.control_path(order["login_file"], self._vars), service)
        label = _credentials_file.label(document)
        return _people.asked(document, self._declared, {**order, "login": login}, label, _credentials_file.now(), _credentials_file.mark)

    def _whom_to_ask(self, document: dict, names: list[str]) -> dict:
        """Which bridges a batch is about, and as whom the gateway is asked."""
        people = [one for one in _people.services(self._declared, document) if one["name"] in names]
        walks = {name: entry["walk"] or {} for name, entry in document["credentials"].items()}
        here = [one for one in people if walks[one["name"]].get("step") != _walk.LEAVING]
        bridges = sorted({name for name in names if "/" not in name} | {one["service"] for one in people})
        return {"bridges": bridges, "people": _registrations.people_seen_through_gateway(self._declared, here)}

    def _expected(self) -> dict[str, dict[str, dict]]:
        """Host → service → the mark and the login that it should report."""
        document, wanted = self._opened(self._arguments["state"]), {}
        for host in self._arguments["hosts"]:
            there = _declaration.services(_declaration.on_host(self._declared, host))
            named = [service["name"] for service in there if service["name"] in self._names()]
            wanted[host] = {name: _credentials.in_use(document["credentials"][name]) for name in named}
            bases = {service["name"] for service in there}
            for one in _people.services(self._declared, document):
                if one["name"] in self._names() and one["base"] in bases:
                    login = (_credentials.in_use(document["credentials"][one["name"]]) or {}).get("login")
                    mark = _people.mark(_people.directory(document, one["base"]))
                    wanted[host][one["name"]] = {"login": login, "mark": mark, "bridge": one["service"]}
        return wanted

    def _forced(self) -> list[str] | None:
        asked = self._arguments.get("rotate")
        if asked in (None, ""):
            return None
        return [name.strip() for name in asked.split(",")] if isinstance(asked, str) else list(asked)

    # The store

    def _opened(self, held: dict) -> dict:
        return _credentials_file.opened(held, self._keys, self._declared["mcp_team"])

    @staticmethod
    def _state(held: dict, names: list[str]) -> dict:
        return {"document": held["document"], "version": held["version"], "fence": held["fence"], "names": names}

    def _lease_seconds(self) -> float:
        return _rotation.of(self._declared).lease

    def _document_written(self, document: dict, base: dict) -> dict:
        return self._written(document, base, self._keys[0], self._lease_seconds())
