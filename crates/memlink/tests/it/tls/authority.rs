//! Certificates for one test.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};

/// Signs certificates. Its own is what others have to trust.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
    /// Its SubjectPublicKeyInfo.
    pub(crate) key_info: Vec<u8>,
}

/// When and for what a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Good,
    Expired,
    NotYetValid,
    ForClientsOnly,
    /// It may sign others, as what `openssl req -x509` makes.
    Authority,
    ExpiredAuthority,
    /// From before there were computers' times: 1970.
    Ancient,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// For these names or addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_as(Kind::Good, names)
    }

    pub(crate) fn issue_as(&self, kind: Kind, names: &[&str]) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let cert = params(kind, names).signed_by(&key, &self.issuer).expect("a certificate");
        Issued::new(&cert, &key)
    }
}

/// Signed by itself.
pub(crate) fn self_signed(kind: Kind, names: &[&str]) -> Issued {
    let key = KeyPair::generate().expect("a key");
    Issued::new(&params(kind, names).self_signed(&key).expect("a certificate"), &key)
}

/// Signed by itself, and another one that it has signed, may it or not.
pub(crate) fn self_signed_and_child(kind: Kind, names: &[&str]) -> (Issued, Issued) {
    let (key, child_key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let own = params(kind, names).self_signed(&key).expect("a certificate");
    let parent = Issued::new(&own, &key);
    let mut child = params(Kind::Good, names);
    child.distinguished_name.push(DnType::CommonName, "another cache");
    let child = child.signed_by(&child_key, &Issuer::new(params(kind, names), key)).expect("a certificate");
    (parent, Issued::new(&child, &child_key))
}

fn params(kind: Kind, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, "a cache");
    if matches!(kind, Kind::Authority | Kind::ExpiredAuthority) {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params.extended_key_usages = match kind {
        Kind::Authority | Kind::ExpiredAuthority => Vec::new(),
        Kind::ForClientsOnly => vec![ExtendedKeyUsagePurpose::ClientAuth],
        _ => vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
    };
    (params.not_before, params.not_after) = match kind {
        Kind::Expired | Kind::ExpiredAuthority => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 2, 3)),
        Kind::NotYetValid => (date_time_ymd(2996, 4, 5), date_time_ymd(2999, 1, 1)),
        Kind::Ancient => (date_time_ymd(1955, 1, 1), date_time_ymd(2990, 1, 1)),
        _ => (date_time_ymd(2020, 1, 1), date_time_ymd(2990, 1, 1)),
    };
    params
}

impl Issued {
    fn new(cert: &rcgen::Certificate, key: &KeyPair) -> Issued {
        let (der, key_info) = (cert.der().to_vec(), rcgen::PublicKeyData::subject_public_key_info(key));
        Issued { cert: cert.pem(), key: key.serialize_pem(), der, key_info }
    }
}
