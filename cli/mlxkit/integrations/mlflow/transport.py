"""Connections to a server: proxies as the system says, none in front of this machine, and MLflow's own idea of TLS."""

from __future__ import annotations

import http.client
import os
import ssl
from base64 import b64encode
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ...errors import ConfigError
from ...stacks.addresses import is_loopback
from .connection import Connection

_BUNDLES = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_ATTRIBUTE = "tracking_server_cert"
_CLIENT = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
_PROXY_PORT = 3128


class _ProxiedLink(http.client.HTTPConnection):
    """A plain connection to a proxy, which wants to be told the whole address."""

    prefix = ""
    extra: dict[str, str] = {}  # noqa: RUF012 - replaced as a whole, never changed


def open_link(to: Connection, timeout: float) -> http.client.HTTPConnection:
    """Return a connection to the tracker's server; it is made when the first request is sent."""
    address = urlsplit(to.api_url)
    host, is_tls = address.hostname or "", address.scheme == "https"
    port = address.port or (443 if is_tls else 80)
    proxy = _proxy_for(address.scheme, host)
    if is_tls:
        context = tls_context(to.insecure_tls, to.server_cert)
        if proxy is None:
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        tunnel = http.client.HTTPSConnection(
            proxy.hostname or "", proxy.port or _PROXY_PORT, timeout=timeout, context=context
        )
        tunnel.set_tunnel(host, port, _proxy_headers(proxy))
        return tunnel
    if proxy is None:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    link = _ProxiedLink(proxy.hostname or "", proxy.port or _PROXY_PORT, timeout=timeout)
    link.prefix, link.extra = f"http://{host}:{port}", _proxy_headers(proxy)
    return link


def target_of(link: http.client.HTTPConnection, path: str) -> tuple[str, dict[str, str]]:
    """Return what to ask a connection for, and the headers that a proxy wants."""
    return (link.prefix + path, link.extra) if isinstance(link, _ProxiedLink) else (path, {})


def tls_context(insecure: bool, server_cert: Path | None = None) -> ssl.SSLContext:
    """Trust the tracker's own certificate, or what MLflow's client trusts: a check that passes here passes there."""
    if insecure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    variable = next((key for key in _BUNDLES if os.environ.get(key)), None)
    if server_cert is not None:
        context = _trusting(_ATTRIBUTE, server_cert)
    elif variable is None:
        import certifi

        context = ssl.create_default_context(cafile=certifi.where())
    else:
        context = _trusting(variable, Path(os.environ[variable]))
    client = os.environ.get(_CLIENT)
    if client:
        try:
            context.load_cert_chain(client)
        except OSError as error:
            raise _unusable(_CLIENT, client, "is no certificate with its private key") from error
    return context


def _trusting(variable: str, trusted: Path) -> ssl.SSLContext:
    if not trusted.exists():
        raise _unusable(variable, trusted, "does not exist")
    is_file = trusted.is_file()
    try:
        return ssl.create_default_context(
            cafile=trusted if is_file else None, capath=None if is_file else trusted
        )
    except OSError as error:
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else "cannot be read"
        raise _unusable(variable, trusted, why) from error


def _unusable(variable: str, path: object, why: str) -> ConfigError:
    return ConfigError(
        f"{variable} is set to {str(path)!r}, which {why}",
        hint="mlx tracker update NAME --tracking_server_cert=FILE"
        if variable == _ATTRIBUTE
        else f"set it to a PEM file, or: unset {variable}",
    )


def _proxy_for(scheme: str, host: str) -> SplitResult | None:
    if is_loopback(host):
        return None
    proxy = getproxies().get(scheme)
    if not proxy or proxy_bypass(host):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode()}
