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
