# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What an existing gateway has registered, for ``import.yml``. Only asks. The administrator's token is made from the folder's own ``.env``."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge, _gateways_txt
from ansible_collections.mcp.tenancy.plugins.module_utils._import import LEFT, UNCLEAR, Finding, Registration
from ansible_collections.mcp.tenancy.plugins.module_utils._import_compose import Setting

PLACE = "import_gateway"
SECONDS = 20


class ImportGatewayError(Exception):
    """The gateway could not be asked; the text says what to do."""


def registrations(url: str, envs: Sequence[tuple[str, Sequence[Setting]]]) -> tuple[list[Registration], list[Finding]]:
    """``envs`` as :class:`_import.Folder` has them. Raises :class:`ImportGatewayError`."""
    if not _contextforge.HAS_LIBRARIES:
        raise ImportGatewayError(f"{PLACE}: the Python libraries httpx and PyJWT are missing on the control node. Next: pip install httpx PyJWT.")
    _see_that_a_token_may_go_there(url)
    settings = _of_the_gateway(envs)
    params = {"url": url, "admin_email": settings["PLATFORM_ADMIN_EMAIL"], "jwt_secret_key": settings["JWT_SECRET_KEY"], "timeout": SECONDS}
    try:
        with _contextforge.client_of({**params, "environment": settings.get("ENVIRONMENT", "production")}) as client:
            found = [_registration(row) for row in client.list_gateways()]
            counts = {"virtual servers": len(client.list_servers()), "users": len(client.list_users())}
    except _contextforge.GatewayError as error:
        step = "see that it runs and that the folder's .env is the one that it was started with"
        raise ImportGatewayError(f"{PLACE}: {url} did not say what it has registered ({error}). Next: {step}, or leave {PLACE} out.") from None
    except (KeyError, TypeError):
        raise ImportGatewayError(f"{PLACE}: what {url} answers is not ContextForge's. Next: name the gateway's own address, or leave {PLACE} out.") from None
    why = {"virtual servers": "each environment gets one with its databases", "users": "name those who may call the tools with import_members"}
    left = [Finding(url, f"{count} {what}", LEFT, why[what]) for what, count in counts.items() if count]
    return [one for one in found if isinstance(one, Registration)], [Finding(url, *one) for one in found if isinstance(one, tuple)] + left


def _see_that_a_token_may_go_there(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.username is None and parts.password is None and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ImportGatewayError(f"{PLACE}: is not an http or https address without a login. Next: http://localhost:4444, for example.")
    if parts.scheme == "http" and not _is_here(parts.hostname):
        raise ImportGatewayError(
            f"{PLACE}: an administrator's token would go to {parts.hostname} in clear. "
            f"Next: use https, or ssh -L 4444:localhost:4444 {parts.hostname} and http://localhost:4444."
        )


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _of_the_gateway(envs: Sequence[tuple[str, Sequence[Setting]]]) -> Mapping[str, str]:
    """The variables of the ``.env`` with which the gateway was started: the one of no environment, else the only one that has them."""
    needed = ("JWT_SECRET_KEY", "PLATFORM_ADMIN_EMAIL")
    found = []
    for said, settings in sorted(envs, key=lambda one: one[0]):
        values = {setting.name: setting.value for setting in settings if setting.plain}
        if all(values.get(name) for name in needed):
            found.append((said, values))
    if not found or (len(found) > 1 and found[0][0]):
        what = "no .env of the folder has" if not found else "several .env of the folder have"
        raise ImportGatewayError(f"{PLACE}: {what} {' and '.join(needed)}. Next: have them in one .env, as the gateway was started with, or leave {PLACE} out.")
    return found[0][1]


def _registration(row: Mapping) -> Registration | tuple[str, str, str]:
    """One row of the gateway, or what is wrong with it: what, verdict, how. Whatever is in a row may be anybody's."""
    try:
        one = _gateways_txt.entry("|".join(str(row[key]).replace("|", "%7C") for key in ("name", "url", "transport")))
    except _gateways_txt.LineError as error:
        return f"registration {row['id']}", UNCLEAR, f"{error}; correct it at the gateway"
    return Registration(one, row["auth_type"], bool(row["enabled"]))
