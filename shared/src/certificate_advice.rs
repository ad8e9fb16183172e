//! What to do about a server's certificate that is not trusted.

/// How to make a certificate of a server that is trusted when it is named itself.
const SELF_SIGNED: &str = "the certificate to trust is the server's own and calls itself an authority's, which no server's may: \
    name that of the authority that signed it, or make another without that: `openssl req -x509 -newkey rsa:2048 -nodes -days 825 \
    -keyout key.pem -out cert.pem -subj /CN=HOST -addext subjectAltName=DNS:HOST -addext basicConstraints=critical,CA:FALSE`, \
    with IP:ADDRESS in place of DNS:HOST for an address";

/// The advice for a TLS library's words about a certificate.
pub(crate) fn advice(reason: &str) -> &'static str {
    let known = [
        ("CaUsedAsEndEntity", SELF_SIGNED),
        (
            "UnknownIssuer",
            "--broker-ca and --store-ca name a file with the certificates to trust: the authority's that signed it, or the server's own",
        ),
        (
            "BadSignature",
            "another authority signed it than the one to trust: --broker-ca and --store-ca name the file with its certificate",
        ),
        (
            "valid for name",
            "it is made out for other names than this address: use one of them as host, or add this one to the certificate (subjectAltName)",
        ),
        (
            "valid for any names",
            "it has no name (subjectAltName), which is needed beside the common name: make another with `-addext subjectAltName=DNS:HOST`",
        ),
        ("xpired", "renew the server's certificate, or set this machine's clock"),
        ("not valid yet", "set this machine's clock, or renew the server's certificate"),
        (
            "UnsupportedCertVersion",
            "it is of X.509 version 1: make another with extensions, as `openssl req -x509 -addext subjectAltName=DNS:HOST` does",
        ),
    ];
    let found = known.into_iter().find(|(words, _)| reason.contains(words));
    found.map_or(
        "check the server's certificate, and the file of certificates to trust (--broker-ca, --store-ca)",
        |(_, advice)| advice,
    )
}
