//! Keys of tests alone; nothing else knows them.

pub(crate) const ED_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIA7GCEzcKdudEqi3CQIcIdIoPuuJ/WBm7KqTH7im3BR/\n\
    -----END PRIVATE KEY-----\n";

pub(crate) const ED_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEA/V29C4I0ZND3ayGegSJ+q3C9Nksm/12NeA/24Bw4Ufk=\n\
    -----END PUBLIC KEY-----\n";

pub(crate) const EC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIxghZE92yWyj9WL+\n\
    dZylEncnAE+waHBtYRyDHr2MeRyhRANCAARa16TXFhsh/uY/Ym9/1NAQsWAK/Fxx\n\
    YNinnzOYeyj7jVwYqdN+L5qsWxE05Ygaoz+471Omr4mvlu0ZVnZDGAjy\n\
    -----END PRIVATE KEY-----\n";

pub(crate) const EC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWtek1xYbIf7mP2Jvf9TQELFgCvxc\n\
    cWDYp58zmHso+41cGKnTfi+arFsRNOWIGqM/uO9Tpq+Jr5btGVZ2QxgI8g==\n\
    -----END PUBLIC KEY-----\n";

pub(crate) const P384_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEOuTPkHRUEaqbo41TPr0twyZv1x3+0wAo\n\
    G02QFhFIF70/ohWq+2tCUap7GkCTTAPaCv3ygb7Kky/OIYTLjwvzl7es74M1CHU8\n\
    7cOQkueg4uxSAYXsfMPsYZhwU6jfDJAk\n\
    -----END PUBLIC KEY-----\n";

pub(crate) const RSA_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQC5vpj6ve5HDAxn\n\
    e5HLFVONdCBDjplAdiUa6V1Wv9BZl2JhBwZHoc/WbdU8dabYaXopbEwjP7TMAQlY\n\
    RRxbaDdVRk2BP3+dr237VAwIYW6m4CpZNHoIS3czuqRMZ3Gwy4Rq5RbmDv00F4SY\n\
    okIYszOyHYdtoas2Ojgllr1bXqCfsZVW7zbi16bEvMszj8HhkHTnGepocAE5DTnw\n\
    qkIDIhpG7/wxyViyRXOweYTdcwaAdgXGY6yXyGvoLL9r4mI5+k4WkndfgVVTb/GI\n\
    nw3mNIzDa+6M32li4xv0pnhh7nQhr7R3baHxtb05G5jJKkM4PBJOJwSD8ChZGrJu\n\
    sjqcveo9AgMBAAECggEABXsJ/QYLKJYCrLAA+IbP0RHu3Mdxnq0NwbpGiod84JPe\n\
    r4G7TfRIk2lovBC1pFeSZvP+2CBqV4WlTrE1Wb4cudup8EkdHRw+yMZtV3b2gp6F\n\
    KV4qxqFhakmUzPtVZ7PNm7DYSOAC2R1jiHRrMlrhSN1lsFavnFlB7FwDCNXlM+kG\n\
    zqBPBwQ2XO+FYAPP/OATQouwF/Qcf45/dVy/As8j9/8awk5QdgajZZ9uz5c9WklY\n\
    UBkC0t72/usPEbTKEGMGx4J88pebaGpWJdZGr+tgPRo0k3p0d2jm8JhEpn8tWvIx\n\
    DPjbz1QQr72HS6pmi+PDcJjXI0bA56tEPCnrZGcSqQKBgQDzVTDNZH6Gz8SAOffN\n\
    nNMg+jDZo91IYPdsaCRz2f44M6MTbcB7vPj76XkQvmQu8ANs+VMr07jF9Q1yGws4\n\
    aUd33oIxRMyV2KjBCnjcWInlk3/Ye0ivq2udM3PAsVBbRlg4rIprprX1L2ybFViy\n\
    XRDjXeIg7ks7LADizDWV/cJwGQKBgQDDafLh68yMMgPNZx4X2vSUrc16U44gxwIK\n\
    2J8sgs+mOBgFRgb5cTK6qd3Pf0MkRy3oq4cyYFY6K6S/fv7X2G5fIje69O+X3D9a\n\
    kXzNrQiXs3RR8t8MV81/0G2QPLQ5mxh39vvdVqHrFFhfiuK2+k3siGAyClsybIYU\n\
    8pe1W7O/xQKBgDj4iSSNktIdcvRSniIVxZjC+wz5wKVhjoxjFaXKNCsUa+nwmFBg\n\
    Pis8zouNCAe1ShgJh9+LAofWh/9fNZFPlNwLzI+cfAnZYClSOlncoOyPTC9zLeFz\n\
    UQ7NLRzAZv/3yE/8lav+rDtrjxIAPXQFNh8FrBvprtN7yflPtnwXnZ6BAoGAZDmZ\n\
    7g+viJQ6aQYjZB7T5NHDmqLyOZN4U7HI6d5pvBn3D/VbrGJHn39yGXNvL1Mmk7gu\n\
    DkNk1k7+H412DaSe70IwjT4FCMFY6Q3HkgHWb2AGH+XOSplZ990h5KGN2iHXCehu\n\
    Q5akU1rK/K3SHAEDKHbFx8SSA6mvl1zZPJY8+fUCgYBeZqChAJwe86jHB/wfjZ8R\n\
    bqzFevXD4LrLYpLIqtCZvU+EQFYQrmUMI4y8iEtWh7Ztew+W6Us3VxoeaIwnBIVz\n\
    3UE/pneDKLpNSvPryiW8C55/k34pzBUezBON3my12sKHn6ovoN2pQ9UD3Npq/hb5\n\
    Sl+wAzFGSyijPdm54GtL9w==\n\
    -----END PRIVATE KEY-----\n";

/// The modulus of the key above, as a JWK has it.
pub(crate) const RSA_N: &str = "\
    ub6Y-r3uRwwMZ3uRyxVTjXQgQ46ZQHYlGuldVr_QWZdiYQcGR6HP1m3VPHWm2Gl6KWxMIz-0zAEJWEUc\
    W2g3VUZNgT9_na9t-1QMCGFupuAqWTR6CEt3M7qkTGdxsMuEauUW5g79NBeEmKJCGLMzsh2HbaGrNjo4\
    JZa9W16gn7GVVu824temxLzLM4_B4ZB05xnqaHABOQ058KpCAyIaRu_8MclYskVzsHmE3XMGgHYFxmOs\
    l8hr6Cy_a-JiOfpOFpJ3X4FVU2_xiJ8N5jSMw2vujN9pYuMb9KZ4Ye50Ia-0d22h8bW9ORuYySpDODwS\
    TicEg_AoWRqybrI6nL3qPQ";

/// The public keys above as JWK have them.
pub(crate) const ED_X: &str = "_V29C4I0ZND3ayGegSJ-q3C9Nksm_12NeA_24Bw4Ufk";

pub(crate) const EC_X: &str = "Wtek1xYbIf7mP2Jvf9TQELFgCvxccWDYp58zmHso-40";

pub(crate) const EC_Y: &str = "XBip034vmqxbETTliBqjP7jvU6avia-W7RlWdkMYCPI";

/// A root that signed the certificate of `localhost`; both end in 2120.
pub(crate) const ROOT: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9BIHJvb3Qg\n\
    b2YgdGVzdHMwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBoxGDAW\n\
    BgNVBAMMD0Egcm9vdCBvZiB0ZXN0czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\n\
    BGq1ZQd0XdGS79n4VemlBGzhL+ISjthIYgysGjDC+SbFA4lsZ5lcD6DByc9yMLw3\n\
    RgHqYCjv0heHvxucoA0bG+yjQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/\n\
    BAQDAgIEMB0GA1UdDgQWBBR7l0R4FiZ0rFBKtx8H1TcI2+MyKTAKBggqhkjOPQQD\n\
    AgNIADBFAiA7uOBGwDGLewhL/XOqtcbtS+A4EGasFTLFVRm9KFJAdAIhAJ5g3KzF\n\
    PfAW06BnADcl8kOsNSTWG74XtdHZsZZts6vb\n\
    -----END CERTIFICATE-----\n";

pub(crate) const LOCALHOST: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBmzCCAUCgAwIBAgIBAjAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9BIHJvb3Qg\n\
    b2YgdGVzdHMwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQ\n\
    BgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCETbx5d\n\
    kum+grPwjx0NyKBEe14EiUwVZ1rfKOrdxGtOElv+tt9pcM7DMVKbRgkvJuAJqQwy\n\
    P8JiSGhpWNbO68CjezB5MBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAMBgNVHRMBAf8E\n\
    AjAAMBMGA1UdJQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBRY1/JsOwJTT/dAwC4/\n\
    60E3y599YDAfBgNVHSMEGDAWgBR7l0R4FiZ0rFBKtx8H1TcI2+MyKTAKBggqhkjO\n\
    PQQDAgNJADBGAiEAxkW0iNOeBC8r8Xe9wp9QOZLvkKn+g/VXTYPHAigeUncCIQDG\n\
    hy/N85/tspom/r6UAvXp+1X5IooMm5KVYDZGvPCCjw==\n\
    -----END CERTIFICATE-----\n";

pub(crate) const LOCALHOST_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgGWmRinn8xl26dLXu\n\
    mraDdQ8N7giUFzaD9uywlzfLpCuhRANCAAQhE28eXZLpvoKz8I8dDcigRHteBIlM\n\
    FWda3yjq3cRrThJb/rbfaXDOwzFSm0YJLybgCakMMj/CYkhoaVjWzuvA\n\
    -----END PRIVATE KEY-----\n";
