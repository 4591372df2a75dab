"""What clients are told of a sandbox, in E2B's form."""

from datetime import datetime
from typing import Any, Final

from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.isolation.limits import MIB
from capibara6_sandbox.network.policy import HostRule, Policy
from capibara6_sandbox.network.proxies import EgressProxy

# Announces to clients which features of envd they may use; 0.6.4 enables every gate of SDK 2.63.
ENVD_VERSION: Final = "0.6.4"
_CLIENT_ID: Final = "capibara6"


def handle(sandbox: Sandbox, domain: str) -> dict[str, Any]:
    """Return what a client needs to reach a sandbox."""
    return {
        "sandboxID": sandbox.id,
        "templateID": sandbox.template.name,
        "alias": sandbox.template.called,
        "clientID": _CLIENT_ID,
        "envdVersion": ENVD_VERSION,
        "envdAccessToken": sandbox.envd_access_token or None,
        "trafficAccessToken": sandbox.traffic_access_token or None,
        "domain": domain,
    }


def describe(sandbox: Sandbox) -> dict[str, Any]:
    """Return a sandbox's entry in a list."""
    limits = sandbox.template.limits
    return {
        "sandboxID": sandbox.id,
        "templateID": sandbox.template.name,
        "alias": sandbox.template.called,
        "clientID": _CLIENT_ID,
        "startedAt": timestamp(sandbox.started_at),
        "endAt": timestamp(sandbox.ends_at),
        "envdVersion": ENVD_VERSION,
        "cpuCount": max(1, round(limits.cpus)),
        "memoryMB": limits.memory_bytes // MIB,
        "diskSizeMB": limits.disk_bytes // MIB,
        "metadata": dict(sandbox.request.metadata),
        "state": sandbox.visible_state,
        "volumeMounts": [{"name": v.name, "path": v.path} for v in sandbox.request.volumes],
    }


def detail(sandbox: Sandbox, domain: str) -> dict[str, Any]:
    """Return everything about one sandbox."""
    request = sandbox.request
    found = describe(sandbox) | {"domain": domain}
    if sandbox.envd_access_token:
        found["envdAccessToken"] = sandbox.envd_access_token
    found["allowInternetAccess"] = request.policy.internet
    found["network"] = describe_policy(request.policy) | {
        "allowPublicTraffic": request.allow_public_traffic,
        **({"maskRequestHost": request.mask_request_host} if request.mask_request_host else {}),
        **({"httpsPorts": sorted(request.https_ports)} if request.https_ports else {}),
    }
    found["lifecycle"] = {
        "autoResume": request.auto_resume,
        "onTimeout": "pause" if request.auto_pause else "kill",
    }
    return found


def timestamp(moment: datetime) -> str:
    """Return a moment in UTC in the form that clients parse."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def describe_policy(policy: Policy) -> dict[str, Any]:
    """Return a policy in E2B's form, without the proxy's password and authorities."""
    found: dict[str, Any] = {"allowOut": list(policy.allow_out), "denyOut": list(policy.deny_out)}
    if policy.rules:
        found["rules"] = {rule.host: _describe_rule(rule) for rule in policy.rules}
    if policy.dns_servers is not None:
        found["dnsServers"] = list(policy.dns_servers)
    if policy.proxy:
        found["egressProxy"] = _describe_proxy(policy.proxy)
    return found


def _describe_rule(rule: HostRule) -> list[dict[str, Any]]:
    """Return what the client gave: placeholders of secrets, and never their values."""
    return [] if rule.headers is None else [{"transform": {"headers": dict(rule.headers)}}]


def _describe_proxy(proxy: EgressProxy) -> dict[str, Any]:
    told: dict[str, Any] = {"address": f"{proxy.host}:{proxy.port}"}
    if proxy.username:
        told["username"] = proxy.username
    if proxy.tls is not None:
        name = proxy.tls.server_name
        told["tls"] = {"enabled": True, **({"serverName": name} if name else {})}
    return told
