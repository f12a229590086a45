//! Files that are wrong from the beginning: said when the client is built, with the file's name.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use memlink::{Client, Server, Settings, Tls, TlsPin};

use super::authority::Authority;

/// A folder of its own, gone with its handle.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("memlink-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("it can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_wrong_with_files_and_options_is_said_when_the_client_is_built() {
    let (authority, folder) = (Authority::new("ours"), Folder::new());
    let (one, two) = (authority.issue(&["one"]), authority.issue(&["two"]));
    let cert = folder.write("cert.pem", &one.cert);
    let key = folder.write("key.pem", &one.key);
    let other_key = folder.write("other.pem", &two.key);
    let half = folder.write("half.pem", &one.cert[..one.cert.len() / 2]);
    let text = folder.write("text.pem", "hello");
    let large = folder.write("large.pem", &"x".repeat(2 << 20));
    let missing = folder.path("missing.pem");
    let tls = || Tls::new().ca_pem(&authority.pem);
    let in_key = one.key.lines().nth(1).expect("it has lines").to_owned();
    for (what, tls, parts) in [
        ("no authority", Tls::new().ca_file(&missing), &["missing.pem", "cannot be read"][..]),
        ("an authority that is text", Tls::new().ca_file(&text), &["text.pem", "no certificate"]),
        ("half an authority", Tls::new().ca_file(&half), &["half.pem"]),
        ("a folder", Tls::new().ca_file(folder.path("")), &["no regular file"]),
        #[cfg(unix)]
        ("a device without end", Tls::new().ca_file("/dev/zero"), &["/dev/zero", "no regular file"]),
        ("a file that is too large", Tls::new().ca_file(&large), &["large.pem", "1 MiB"]),
        ("no certificate", tls().client_cert_files(&missing, &key), &["missing.pem", "cannot be read"]),
        ("half a certificate", tls().client_cert_files(&half, &key), &["half.pem"]),
        ("a certificate that is text", tls().client_cert_files(&text, &key), &["text.pem", "no certificate"]),
        ("no key", tls().client_cert_files(&cert, &missing), &["missing.pem", "cannot be read"]),
        ("a key that is text", tls().client_cert_files(&cert, &text), &["text.pem", "no private key"]),
        ("the key of another", tls().client_cert_files(&cert, &other_key), &["other.pem", "of another certificate"]),
        ("the text of a key as its path", tls().client_cert_files(&cert, &one.key), &["its path belongs here"]),
        (
            "the same in one line",
            tls().client_cert_files(&cert, one.key.replace('\n', "\\n")),
            &["its path belongs here"],
        ),
        (
            "what lies between the lines",
            tls().client_cert_files(&cert, format!("{in_key}\n")),
            &["its path belongs here"],
        ),
        ("a certificate as its path", tls().client_cert_files(&one.cert, &key), &["its path belongs here"]),
        ("an authority as its path", Tls::new().ca_file(&authority.pem), &["its path belongs here"]),
        ("no name", tls().name("not a name"), &["not a name"]),
        ("pins alone, and none", tls().trust_pins_alone(), &["needs a pin"]),
        ("no version", tls().versions(memlink::TlsVersion::V1_3, memlink::TlsVersion::V1_2), &["no version"]),
    ] {
        let server = Server::tcp("127.0.0.1:1").unwrap();
        let settings = Settings::default().tls(tls);
        let hides = |text: &str| !text.contains("PRIVATE") && !text.contains(&in_key);
        assert!(hides(&format!("{settings:?}")), "{what}");
        let error = Client::builder().server(server).settings(settings).build().map(|_| ()).expect_err(what);
        assert!(hides(&format!("{error:?}")), "{what}: {error:?}");
        let error = error.to_string();
        assert!(parts.iter().all(|part| error.contains(part)) && hides(&error), "{what}: {error}");
    }
    let socket = || Client::builder().server(Server::unix("/run/cache.sock"));
    let error = socket().settings(Settings::default().tls(tls())).build().map(|_| ()).expect_err("it has no name");
    assert!(error.to_string().contains("Tls::name"), "{error}");
    socket().settings(Settings::default().tls(tls().name("cache"))).build().expect("now it has");
    let good = tls().client_cert_files(&cert, &key);
    Client::builder()
        .server(Server::tcp("127.0.0.1:1").unwrap())
        .settings(Settings::default().tls(good))
        .build()
        .unwrap();
}

/// A pin that is set in code, and then a URL, or the other way round.
#[test]
fn tls_that_was_set_in_code_stays() {
    let pinned = || Settings::default().tls(Tls::new().ca_file("/mine.pem").pin(TlsPin::Key([7; 32])));
    let url = "memcaches://a?tls_name=cache";
    for (builder, parts) in [
        (Client::builder().settings(pinned()).url(url).unwrap(), &["/mine.pem", "Key([7", "\"cache\""][..]),
        (Client::builder().settings(pinned()).url("memcaches://a").unwrap(), &["/mine.pem", "Key([7"]),
        (Client::builder().settings(pinned()).url("memcache://a").unwrap(), &["/mine.pem", "Key([7"]),
        (Client::builder().url(url).unwrap().settings(pinned()), &["/mine.pem", "Key([7"]),
        (Client::builder().url(url).unwrap().settings(Settings::default()), &["\"cache\""]),
    ] {
        let shown = format!("{builder:?}");
        assert!(parts.iter().all(|part| shown.contains(part)), "{shown}");
    }
}
