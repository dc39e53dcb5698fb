"""What the environment says of proxies and certificates, read once for every client: each library reads other variables."""

import os
import ssl
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi

from gated_ray.errors import InputError

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_BUNDLES = (
    ssl.get_default_verify_paths().openssl_cafile,
    "/etc/ssl/certs/ca-certificates.crt",  # Debian
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)


def proxy_for(url: str) -> str:
    """The proxy for a URL by ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, in either case; empty for none.

    boto3 knows no ``ALL_PROXY``, libcurl no ``HTTP_PROXY`` in upper case. The result may hold a password.

    Raises:
        InputError: what a variable holds is no proxy's URL.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    for name in ("http", "https", "all"):
        _check_proxy(f"{name}_proxy", proxies.get(name, ""))
    host = parts.hostname
    if host is None or proxy_bypass(parts.netloc.rpartition("@")[2]) or _is_listed(host, proxies.get("no", "")):
        return ""
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def _check_proxy(name: str, proxy: str) -> None:
    """What it holds is left out of the message, for its password."""
    if not proxy:
        return
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        sound = parts.scheme in _PROXY_SCHEMES and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        sound = False
    if not sound:
        raise InputError(f"the environment's {name} is no proxy's URL; write it as http://host:port")


def _is_listed(host: str, no_proxy: str) -> bool:
    """Whether ``NO_PROXY`` has a network that holds the host; Python's own reading knows names only."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    for entry in no_proxy.split(","):
        with suppress(ValueError):  # a name
            if address in ip_network(entry.strip(), strict=False):
                return True
    return False


def ca_bundle(configured: str | None = None) -> str:
    """Path of the certificates to trust: a file, or a folder with names as OpenSSL hashes them.

    Args:
        configured: goes before ``SSL_CERT_FILE``, ``SSL_CERT_DIR``, ``REQUESTS_CA_BUNDLE`` and ``CURL_CA_BUNDLE``; where
            none of these is set it is the system's bundle, else certifi's.

    Raises:
        InputError: there is nothing at that path, or what is there are no certificates.
    """
    named = {"the AWS configuration's ca_bundle": configured} | {name: os.environ.get(name) for name in _CA_VARIABLES}
    for name, path in named.items():
        if path:
            _check_certificates(name, path)
            return path
    return next(filter(os.path.isfile, _SYSTEM_BUNDLES), certifi.where())


@lru_cache(maxsize=8)
def _check_certificates(name: str, path: str) -> None:
    if os.path.isdir(path):
        return
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # which errors of TLS are too
        why = "is no file of certificates" if isinstance(error, ssl.SSLError) else f"cannot be read ({error.strerror})"
        raise InputError(f"{name}={path}: {why}; give a bundle in PEM form, or unset it") from error


def trust_one_bundle() -> None:
    """Let huggingface_hub trust the same certificates as everything else here.

    Of the variables that name some, its HTTP client reads ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` alone, and offers no other
    way in short of importing that client, which changed from one release to the next. So that is set for this process,
    where the user has not.

    Raises:
        InputError: as `ca_bundle`.
    """
    path = ca_bundle()
    if not os.environ.get("SSL_CERT_FILE") and not os.environ.get("SSL_CERT_DIR"):
        os.environ["SSL_CERT_DIR" if os.path.isdir(path) else "SSL_CERT_FILE"] = path
