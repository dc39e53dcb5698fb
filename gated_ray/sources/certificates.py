"""Which certificates to trust."""

import os

import certifi


def ca_bundle(*first: str) -> str:
    """Path of a file of certificates: that of the first variable that names one, else certifi's.

    Args:
        first: variables to ask before ``SSL_CERT_FILE``, ``REQUESTS_CA_BUNDLE`` and ``CURL_CA_BUNDLE``.
    """
    for name in (*first, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            return path
    return certifi.where()
